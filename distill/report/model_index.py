"""Results -> the `model-index` block of a model card on the Hugging Face hub."""

from pathlib import Path
from typing import Any, cast

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.files import write_text

HARNESS = "https://github.com/EleutherAI/lm-evaluation-harness"
_SHOWN = (
    "prompt_level_strict_acc", "inst_level_strict_acc", "prompt_level_loose_acc", "inst_level_loose_acc",
    "strict_acc", "flexible_acc", "acc", "acc_norm", "exact_match", "truncated",
)  # fmt: skip
"""Metrics that go into a card, and before a benchmark's further ones."""


def eval_results(entry: dict[str, Any]) -> list[EvalResult]:
    """The entry's main metrics.

    The block has one place per data set, so the way of asking stands with each metric.
    """
    harness = f"lm-evaluation-harness {entry['versions'].get('lm_eval', '')}".strip()
    found = []
    for record in entry["tasks"]:
        way = f"{record['num_fewshot']}-shot{_part(record)}"
        noted = {"task": record["task"], "num_few_shot": record["num_fewshot"], "n": record["n"]}
        noted |= {name: value for name, value in record["asked"].items() if value}
        own = [score.name for score in BENCHMARKS[record["benchmark"]].scores] if _is_ours(record) else []
        for name in (name for name in dict.fromkeys([*_SHOWN, *own]) if name in record["metrics"]):
            metric = record["metrics"][name]
            if metric["value"] is None:
                continue
            found.append(
                EvalResult(
                    task_type="text-generation",
                    **dataset_of(record["benchmark"], record["asked"].get("data_source"), record["task"]),
                    metric_type=name,
                    metric_value=metric["value"],
                    metric_name=f"{name.replace('_', ' ')} ({way})",
                    metric_args=noted | {"stderr": metric["stderr"], "interval": metric["interval"]},
                    source_name=harness,
                    source_url=HARNESS,
                )
            )
    return found


def model_index(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The block as it stands in a card."""
    data = ModelCardData(model_name=_name(entry), eval_results=eval_results(entry))
    return list(data.to_dict().get("model-index", []))


def write_card(entry: dict[str, Any], file: Path) -> None:
    """Put the block into a card; the rest of an existing card stays as it is."""
    card = ModelCard(file.read_text(encoding="utf-8") if file.is_file() else "---\n{}\n---\n")
    data = cast(ModelCardData, card.data)  # typed as its base class
    data.model_name = data.model_name or _name(entry)
    data.eval_results = eval_results(entry)
    write_text(file, str(card))


def _is_ours(record: dict[str, Any]) -> bool:
    return record["benchmark"] is not None and record["benchmark"] in BENCHMARKS


def _part(record: dict[str, Any]) -> str:
    """Which rows, unless all; a shard's are not the first ones."""
    n, rows = record["n"], record["rows"]
    if n == record["n_in_split"]:
        return ""
    if rows and (rows["first"], rows["last"]) != (0, n - 1):
        return f", {n} of {record['n_in_split']} rows, from {rows['first']} to {rows['last']}"
    return f", first {n} of {record['n_in_split']} rows"


def _name(entry: dict[str, Any]) -> str:
    return Path(entry["adapter"] or entry["model"]).name


def dataset_of(
    benchmark: str | None, source: str | None, task: str, title: str | None = None
) -> dict[str, Any]:
    """Which data set was asked, as `EvalResult` names it.

    A score on the embedded sample must not pass for the benchmark's.
    """
    if benchmark is None or benchmark not in BENCHMARKS:
        return {"dataset_type": task, "dataset_name": title or task}
    title = BENCHMARKS[benchmark].dataset_title
    if source == "sample":
        name = f"embedded sample in the schema of {title}"
        return {"dataset_type": f"icl-distill/sample-{benchmark}", "dataset_name": name}
    split = BENCHMARKS[benchmark].evaluation
    return {
        "dataset_type": split.path,
        "dataset_name": title,
        "dataset_config": split.name,
        "dataset_split": split.split,
    }
