"""Floating-point operations that a step cannot do without, and what a card could do in its time.

Counted: the student's forward and backward pass on its own tokens, the teacher's forward pass on the tokens
of prompt and answer (which reads the demonstrations' keys and values, run once for all steps), one forward
pass more where answers are written, and the vocabulary projection at answer tokens only. Not counted, so that
they lower the share: padding, demonstrations run again in every row, projected prompt tokens, recomputation.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .jobs import WRITES, Job
from .shapes import SHAPES

if TYPE_CHECKING:
    from distill.encoding.token_rows import Row

PEAK_TFLOPS = {
    # part of the card's name: dense bfloat16 with float32 accumulation, by the makers' data sheets;
    # the first that fits counts
    "B200": 2250.0,
    "GH200": 989.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "RTX 4090": 165.0,
}
_TEACHERLESS = ("sft_full", "sft", "cached")
_WITHOUT_DEMONSTRATIONS = ("gkd", "distillation", "distillation_given")


def peak_tflops(card: str) -> float | None:
    """What a card of this name can do at most in bfloat16; None: unknown, give `--peak_tflops`."""
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in card), None)


def step_flops(job: Job, rows: "Sequence[Row]", answer_tokens: float) -> float:
    """Operations of one step of a job on a shape, on average over `rows`.

    Args:
        job: On one of `SHAPES`.
        rows: All rows of the job.
        answer_tokens: Of one step, as they were trained on.
    """
    answer = answer_tokens / job.batch_size
    prompt = sum(len(row["prompt_ids"]) for row in rows) / len(rows)
    shown = sum(len(row["teacher_prompt_ids"]) for row in rows) / len(rows) - prompt
    products, attention = _forward(job.model, prompt, answer, shown=0)
    # Backward: by the inputs once, and by the weights again where they are trained.
    row = products * (3 if job.tuning == "full" else 2) + attention * 3
    if job.kind not in _TEACHERLESS:
        row += sum(_forward(job.model, prompt, answer, 0 if job.kind in _WITHOUT_DEMONSTRATIONS else shown))
    if job.kind in WRITES:
        row += products + attention
    return row * job.batch_size


def _forward(shape: str, prompt: float, answer: float, shown: float) -> tuple[float, float]:
    """Operations of a forward pass over one row: matrix products with weights, and attention."""
    sizes = {name: int(value) for name, value in SHAPES[shape].config.items()}
    hidden, layers = sizes["hidden_size"], sizes["num_hidden_layers"]
    query = sizes["num_attention_heads"] * sizes["head_dim"]
    key = sizes["num_key_value_heads"] * sizes["head_dim"]
    weights = layers * (2 * hidden * (query + key) + 3 * hidden * sizes["intermediate_size"])
    tokens = prompt + answer
    products = 2 * (weights * tokens + sizes["vocab_size"] * hidden * answer)
    # Causal: half of the square; every token sees what is shown before it.
    return products, 4 * layers * query * (tokens**2 / 2 + tokens * shown)
