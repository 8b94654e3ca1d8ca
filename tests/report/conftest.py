"""Results files with the seeds' published figures, written as `gap` and `eval` write them."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from distill.evaluation.summary import diagnose, summarise
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.harness.measured import Scored

HELD_OUT = [0.5 * (number + (-1) ** number * min(number - 1, 20 - number) / 4) for number in range(1, 21)]
"""KL of 20 held-out rows of 1 to 20 answer tokens."""
N = 541
INSTRUCTIONS = 834
# Percent of 541 prompts and of 834 instructions, as published.
GAP = {0: (39, 13.79), 4: (46, 15.83)}
STEPS = {
    "baseline": {200: (40.67, 48.44), 400: (43.25, 51.08), 1000: (42.14, 50.48)},
    "online_v1": {200: (37.89, 45.08), 400: (41.04, 47.48), 1000: (38.45, 45.80)},
}


def ranks(seed: int, total: int) -> list[int]:
    """Each row's place from easy to hard for one model: its number, blurred.

    Two models agree on most rows, and each is right on some that the other is not.
    """
    blurred = np.arange(total) + np.random.default_rng(seed).normal(0, total / 10, total)
    return np.argsort(np.argsort(blurred)).tolist()


def ifeval_rows(prompts_right: int, instructions_right: int) -> list[dict]:
    """541 rows, 248 with one instruction and 293 with two; see `ranks`."""
    singles = 2 * N - INSTRUCTIONS
    rights = [rank < prompts_right for rank in ranks(prompts_right, N)]
    sizes = [1 if number < singles else 2 for number in range(N)]
    spare = instructions_right - sum(size for size, right in zip(sizes, rights, strict=True) if right)
    rows = []
    for number, (size, right) in enumerate(zip(sizes, rights, strict=True)):
        lucky = not right and size == 2 and spare > 0
        spare -= lucky
        verdicts = [True] * size if right else [lucky, *[False] * (size - 1)]
        names = {"prompt_level_strict_acc": right, "prompt_level_loose_acc": right, "truncated": False}
        levels = {"inst_level_strict_acc": verdicts, "inst_level_loose_acc": verdicts}
        rows.append(row(number, **names, **levels))
    assert sum(sum(r["inst_level_strict_acc"]) for r in rows) == instructions_right
    return rows


def answer_rows(right: int, total: int, *, truncated: int = 0) -> list[dict]:
    """`right` rows of `total`, see `ranks`; those that are cut are the hardest."""
    return [
        row(number, strict_acc=rank < right, flexible_acc=rank < right, no_answer=False,
            truncated=rank >= total - truncated)
        for number, rank in enumerate(ranks(right, total))
    ]  # fmt: skip


def row(number: int, **verdicts) -> dict:
    base = {"id": str(number), "question": f"q{number}", "target": "", "response": "r", "response_tokens": 10}
    return base | {"empty": False, "unclosed_think": False, "looping": False, "prompt_sha": "0"} | verdicts


def make_entry(benchmark, rows, *, condition="base", step=None, k=0, **changes):
    scored = [Scored(score.name, score.name, unit=score.unit) for score in BENCHMARKS[benchmark].scores]
    entry = {
        "condition": condition,
        "step": step,
        "kind": {"base": "base", "baseline": "sft"}.get(condition, "distilled"),
        "benchmark": benchmark,
        "num_fewshot": k,
        "metrics": summarise(scored, rows, {}),
        "diagnostics": diagnose(scored, rows),
        "data": {
            "source": "hub",
            "rows": len(rows),
            "rows_in_split": len(rows),
            "fingerprint": f"d{benchmark}",
        },
        "demonstrations": {"num_fewshot": k},
        "prompts": {"fingerprint": f"p{benchmark}{k}", "chat_template": "t"},
        "generation": {"max_gen_toks": 512, "do_sample": False},
        "versions": {"lm_eval": "0.4.13", "icl_distill": "0.1.0", "transformers": "5.19.0", "vllm": None},
        "date": "2026-01-01T00:00:00+00:00",
        "seconds": 60.0,
        "model": {
            "name": "Qwen/Qwen3-1.7B",
            "kind": "base" if step is None else "adapter",
            "checkpoint": None if step is None else f"{condition}/checkpoint-{step}",
            "fingerprint": f"m{condition}{step}",
            "base_fingerprint": "mbase",
            "dtype": "bfloat16",
        },
        "request": {"backend": "vllm", "enable_thinking": False, "seed": 42},
        "samples": f"samples/x/{condition}-{f'{k}shot' if step is None else step}-{benchmark}.jsonl",
    }
    for path, value in changes.items():
        part, _, name = path.partition("__")
        entry[part] = entry[part] | {name: value} if name else value
    return entry


def write(path: Path, kind: str, measured: list[tuple[dict, list[dict]]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [copy.deepcopy(entry) for entry, _ in measured]
    content = {"schema": "icl-distill/results", "schema_version": 1, "kind": kind, "results": entries}
    path.write_text(json.dumps(content))
    for entry, rows in measured:
        samples = path.parent / entry["samples"]
        samples.parent.mkdir(parents=True, exist_ok=True)
        samples.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def ifeval_gap():
    rows = {k: ifeval_rows(prompts, round(rate * INSTRUCTIONS / 100)) for k, (prompts, rate) in GAP.items()}
    return [(make_entry("ifeval", r, k=k), r) for k, r in rows.items()]


def ifeval_sweep():
    measured = []
    for condition, steps in STEPS.items():
        for step, (prompt, instruction) in steps.items():
            rows = ifeval_rows(round(prompt * N / 100), round(instruction * INSTRUCTIONS / 100))
            measured.append((make_entry("ifeval", rows, condition=condition, step=step), rows))
    return measured


def write_divergence(folder: Path, sums: dict[int, list[float]]) -> None:
    """As training writes it: by step each row's KL over its answer tokens, of which row n has n."""
    tokens = list(range(1, len(HELD_OUT) + 1))
    steps = {
        str(step): {"kl_teacher": sum(own) / sum(tokens), "kl_teacher_rows": own}
        for step, own in sums.items()
    }
    rows = {"id": [f"h{number}" for number in tokens], "tokens": tokens}
    content = {"metric": "kl_teacher", "rows": rows, "steps": steps}
    (folder / "divergence.json").write_text(json.dumps(content))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """The seeds' IFEval run, and the GSM8K row of their summary, in folders as a run leaves them."""
    folder = tmp_path / "run"
    write(folder / "ifeval" / "gap.json", "gap", ifeval_gap())
    write(folder / "ifeval" / "results.json", "checkpoints", ifeval_sweep())
    base = [
        (make_entry("gsm8k", r, k=k), r)
        for k, r in ((0, answer_rows(344, 1319)), (8, answer_rows(621, 1319)))
    ]
    trained = [
        (make_entry("gsm8k", r, condition=condition, step=1000), r)
        for condition, r in (("baseline", answer_rows(831, 1319)), ("online_v1", answer_rows(937, 1319)))
    ]
    write(folder / "gsm8k" / "gap.json", "gap", base)
    write(folder / "gsm8k" / "results.json", "checkpoints", trained)
    for condition, losses in (("baseline", (2.5, 1.25)), ("online_v1", (3.0, 1.5))):
        out = folder / "gsm8k" / condition
        (out / "checkpoint-1000").mkdir(parents=True)
        log = [{"step": 10, "loss": losses[0]}, {"step": 10, "eval_ce": 1}, {"step": 1000, "loss": losses[1]}]
        (out / "checkpoint-1000" / "trainer_state.json").write_text(json.dumps({"log_history": log}))
        write_divergence(out, {0: HELD_OUT, 1000: [losses[1] / 5 * one for one in HELD_OUT]})
    return folder
