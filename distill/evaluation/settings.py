"""What decides an evaluation's numbers, as one checked value; the options that `gap` and `eval` share."""

import argparse
import dataclasses
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distill.model.devices import gpus_here
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import DEFAULT_SEED, MODES
from lm_eval_tasks.sources import TaskSpec

BACKENDS = ("hf", "vllm")


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """How models are asked.

    Attributes:
        model: A hub name or a folder, as `from_pretrained` takes it.
        backend: `hf` or `vllm`.
        n_samples: Evaluated rows of each benchmark, the first ones; None: all.
        max_new_tokens: Longest response in tokens; None: each task's own limit.
        tensor_parallel_size: GPUs that one engine spans.
        dtype: Of the weights: `auto`, `float32`, `bfloat16` or `float16`.
        batch_size: Prompts at once on the hf backend: a number or `auto`; vLLM schedules by itself.
        seed: Of everything drawn.
        enable_thinking: Handed to the chat template.
        model_args: Further arguments of lm-eval's model class, such as `max_model_len`.

    Raises:
        UserError: a value is out of range.
    """

    model: str
    backend: str = "hf"
    n_samples: int | None = None
    max_new_tokens: int | None = None
    tensor_parallel_size: int = 1
    dtype: str = "auto"
    batch_size: int | str = 16
    seed: int = 42
    enable_thinking: bool = False
    model_args: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would fail, or mislead, hours later."""
        for name in ("n_samples", "max_new_tokens", "tensor_parallel_size", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise UserError(f"--{name} is {value}; it must be 1 or more.")
        if self.backend not in BACKENDS:
            raise UserError(f"--backend is {self.backend!r}; choose from {', '.join(BACKENDS)}.")
        if self.backend == "vllm" and importlib.util.find_spec("vllm") is None:
            raise UserError("--backend vllm: vLLM is not installed. Run: pip install 'icl-distill[vllm]'.")
        self._check_gpus()
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UserError(
                "evaluation runs in one process, and WORLD_SIZE is set: start it without `accelerate launch` "
                "or `torchrun`. Several GPUs serve through --backend vllm --tensor_parallel_size N."
            )

    def _check_gpus(self) -> None:
        wanted = self.tensor_parallel_size
        # With an executor of one's own, such as Ray's, GPUs of other machines count.
        if wanted == 1 or "distributed_executor_backend" in self.model_args:
            return
        count, words = gpus_here()
        if wanted > count:
            remedy = "runs on the CPU" if count == 0 else f"or up to {count} runs on these"
            raise UserError(
                f"--tensor_parallel_size is {wanted}, and {words}. --tensor_parallel_size 1 {remedy}; or "
                f"start it where {wanted} GPUs are visible."
            )

    def request(self) -> dict[str, Any]:
        """The part that decides the numbers, beside model and data, which are recorded on their own."""
        elsewhere = ("model", "n_samples", "batch_size", "tensor_parallel_size")
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in elsewhere}


def add_settings_arguments(parser: argparse.ArgumentParser, *, model_required: bool) -> None:
    """Declare the shared options; `settings_from_args` reads them."""
    add = parser.add_argument
    add("--model", required=model_required, help="hub name, folder, or 'demo'")
    add("--task", nargs="+", help=f"{', '.join(BENCHMARKS)}, tasks of lm-eval, YAML files, JSONL files")
    add("--n_samples", type=int, help="evaluate the first N rows; default: all")
    add("--max_new_tokens", type=int, help="longest response; default: the task's own limit")
    add("--backend", choices=BACKENDS, help="default: vllm if installed and CUDA is present, else hf")
    add("--tensor_parallel_size", type=int, default=1, help="GPUs that one engine spans")
    add("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"])
    add("--batch_size", default="16", help="prompts at once on the hf backend: a number or 'auto'")
    add("--seed", type=int, default=42)
    add_context_arguments(parser)
    # A run hands on what its training file says: `false` has to be sayable.
    add("--enable_thinking", nargs="?", const=True, type=_truth, metavar="true|false",
        help="let the chat template open a thinking block")  # fmt: skip
    add("--model_args", default="", metavar="K=V,...", help="further arguments of lm-eval's model class")


def add_strict_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--strict`."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with 2 where a row names a constraint that nothing defines; else it counts as failed",
    )


def add_context_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what a `TaskSpec` is made of, beside the task and the number of demonstrations."""
    add = parser.add_argument
    add("--data", help="of a benchmark: hub, sample or a folder; default: ICL_DATA_DIR, else hub")
    add("--pool", help="where a benchmark's demonstrations come from; default: --data's training split")
    add("--eval", dest="evaluation", metavar="JSONL", help="of rows of one's own: those that are judged")
    add("--metric", help="of rows of one's own: a name or module:function; default: exact_match")
    add("--demonstrations", metavar="MODE|JSONL", help=f"{', '.join(MODES)}, or a file of them")
    add("--demonstration_seed", type=int, help=f"seed of their choice; default: {DEFAULT_SEED}")
    add("--system_instruction", metavar="TEXT|FILE", help="what the prompted model reads first")
    add("--document", nargs="+", metavar="FILE", help="texts that the prompted model reads first")
    add("--privileged", metavar="COLUMN", help="what the prompted model reads beside the question")
    add("--privileged_template", metavar="TEXT", help="with {question} and {privileged}")


def settings_from_args(args: argparse.Namespace, *, model: str) -> EvalSettings:
    """The settings of a command line; `model` may come from elsewhere.

    Raises:
        UserError: a value is out of range or `--model_args` is not readable.
    """
    return EvalSettings(
        model=model,
        backend=args.backend or _default_backend(),
        n_samples=args.n_samples,
        max_new_tokens=args.max_new_tokens,
        tensor_parallel_size=args.tensor_parallel_size,
        dtype=args.dtype,
        batch_size=_batch_size(args.batch_size),
        seed=args.seed,
        enable_thinking=bool(args.enable_thinking),
        model_args=parse_pairs("--model_args", args.model_args),
    )


def specs_from_args(
    args: argparse.Namespace, tasks: Sequence[str], *, num_fewshot: int | None = None
) -> list[TaskSpec]:
    """The tasks of a command line, each with what only the teacher reads.

    Raises:
        UserError: a value cannot be used.
    """
    return [TaskSpec.of(args, task=task, num_fewshot=num_fewshot) for task in dict.fromkeys(tasks)]


def _default_backend() -> str:
    import torch

    return "vllm" if importlib.util.find_spec("vllm") and torch.cuda.is_available() else "hf"


def _truth(word: str) -> bool:
    if word.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return word.lower() == "true"


def _batch_size(word: str) -> int | str:
    if word == "auto" or word.isdigit():
        return word if word == "auto" else int(word)
    raise UserError(f"--batch_size is {word!r}; it must be a number or 'auto'.")


def parse_pairs(option: str, text: str) -> dict[str, Any]:
    """`name=value,name=value`, values read as numbers or booleans where they are.

    Args:
        option: Where it was given, for messages.
        text: Possibly empty.

    Raises:
        UserError: it reads otherwise, or would let a model's repository run code.
    """
    from lm_eval.utils import simple_parse_args_string

    if any("=" not in part for part in text.split(",") if part):
        raise UserError(f"{option} is {text!r}; it must read name=value,name=value.")
    arguments = simple_parse_args_string(text)
    if arguments.get("trust_remote_code"):
        raise UserError(f"{option} trust_remote_code: code out of a model's repository is never run here.")
    return arguments
