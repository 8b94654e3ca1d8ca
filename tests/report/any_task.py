"""Results of tasks that nobody here has heard of, in every shape that an evaluation may write."""

import math
from pathlib import Path

from lm_eval_tasks.scoring.intervals import wilson_interval

from .conftest import ranks, write

N = 60
KINDS = {"sft": "sft", "baked": "distilled"}


def metric(values, unit="row"):
    rate = sum(values) / len(values)
    known = unit == "row"
    return {
        "correct": sum(values) if known else None,
        "total": len(values),
        "rate": rate,
        "interval": list(wilson_interval(rate, len(values))) if known else None,
        "stderr": math.sqrt(rate * (1 - rate) / len(values)) if known else None,
        "unit": unit,
    }


def rows_of(values, *, generated=True, target="yes", second=None):
    """One row per value of each metric; `values`: by name, a column."""
    found = []
    for number in range(len(next(iter(values.values())))):
        own = {name: column[number] for name, column in values.items()}
        text = {"id": str(number), "question": f"Order {number}?", "target": target, "prompt_tokens": 40}
        text |= {"response": f"reply {number}" if generated else "the second option", "reference": {"x": [1]}}
        length = {"response_tokens": 7, "truncated": False} if generated else {"response_tokens": None}
        found.append(text | length | own)
    return found


def entry_of(task, rows, *, units, condition="base", step=None, view="bare", k=0, title=None, **changes):
    generated = rows[0]["response_tokens"] is not None
    share = {"count": 0, "total": len(rows), "rate": 0.0}
    metrics = {name: metric([row[name] for row in rows], unit) for name, unit in units.items()}
    entry = {
        "condition": condition,
        "step": step,
        "kind": "base" if step is None else KINDS[condition],
        "benchmark": task,
        "view": view,
        "num_fewshot": k,
        "metrics": metrics,
        "diagnostics": {"truncated": share, "mean_response_tokens": 7.0}
        if generated
        else {"truncated": None, "looping": None, "mean_response_tokens": None},
        "data": {"source": "eval.jsonl", "rows": len(rows), "rows_in_split": len(rows), "fingerprint": "d"},
        "demonstrations": {"num_fewshot": k, "system": view == "prompted" and not k, "documents": []},
        "prompts": {"fingerprint": f"p{view}{k}", "chat_template": None},
        "generation": {"max_gen_toks": 32} if generated else {},
        "versions": {"lm_eval": "0.4.13", "icl_distill": "0.2.0", "transformers": "5.19.0", "vllm": None},
        "date": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "model": {
            "name": "demo",
            "kind": "base" if step is None else "adapter",
            "checkpoint": None if step is None else f"{condition}/checkpoint-{step}",
            "fingerprint": f"m{condition}{step}",
            "base_fingerprint": "mbase",
            "dtype": "float32",
        },
        "request": {"backend": "hf", "enable_thinking": False, "seed": 42},
        "samples": f"samples/{task.replace(':', '-')}-{condition}-{step}-{view}-{k}.jsonl",
    }
    if title:
        entry["title"] = title
    for path, value in changes.items():
        part, _, name = path.partition("__")
        entry[part] = entry[part] | {name: value}
    return entry, rows


def verdicts(right):
    """So many right ones; two models are each right on some rows that the other is not."""
    return [rank < right for rank in ranks(right, N)]


def scores(level):
    """Values from 0 to 1 that are no verdicts, each row's own."""
    return [round(min(1.0, level + (number % 7) / 40), 3) for number in range(N)]


def orders(**changes):
    """One metric, 0/1; the prompt is a system instruction; trained models in both views."""
    how = {"units": {"json_match": "row"}, "title": "Orders to JSON"} | changes
    asked = [
        (0, {}),
        (51, {"view": "prompted"}),
        (10, {"condition": "sft", "step": 16}),
        (12, {"condition": "sft", "step": 16, "view": "prompted"}),
        (20, {"condition": "baked", "step": 8}),
        (48, {"condition": "baked", "step": 16}),
        (52, {"condition": "baked", "step": 16, "view": "prompted"}),
        (11, {"condition": "sft", "step": 8}),
    ]
    return [
        entry_of(
            "orders",
            rows_of({"json_match": verdicts(right)}, target={"item": "bags", "count": 2}),
            **how,
            **who,
        )
        for right, who in asked
    ]


def summaries():
    """One metric with values from 0 to 1, and demonstrations."""
    asked = [
        (0.2, {}),
        (0.6, {"view": "prompted", "k": 2}),
        (0.7, {"view": "prompted", "k": 8}),
        (0.5, {"condition": "baked", "step": 16}),
        (0.3, {"condition": "sft", "step": 16}),
    ]
    return [
        entry_of("f1_task", rows_of({"token_f1,strict-match": scores(level)}),
                 units={"token_f1,strict-match": "score"}, **who)
        for level, who in asked
    ]  # fmt: skip


def options():
    """Options compared by their likelihood: nothing is generated."""
    asked = [
        (20, {}),
        (40, {"view": "prompted", "k": 5}),
        (35, {"condition": "baked", "step": 16}),
    ]
    return [
        entry_of(
            "lm_eval:arc_easy",
            rows_of({"acc": verdicts(right), "acc_norm": verdicts(right + 2)}, generated=False, target=2),
            units={"acc": "row", "acc_norm": "row"},
            **who,
        )
        for right, who in asked
    ]


def write_any(folder: Path) -> Path:
    """A run with all three; the checkpoints' folders are there."""
    for name, measured in (("orders", orders()), ("f1_task", summaries()), ("arc", options())):
        write(folder / name / "gap.json", "gap", [one for one in measured if one[0]["step"] is None])
        trained = [one for one in measured if one[0]["step"] is not None]
        write(folder / name / "results.json", "checkpoints", trained)
        for entry, _ in trained:
            (folder / name / entry["model"]["checkpoint"]).mkdir(parents=True, exist_ok=True)
    return folder
