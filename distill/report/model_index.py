"""Results -> the `model-index` block of a model card on the Hugging Face hub."""

from collections.abc import Iterable
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from distill.evaluation.result import Result
from distill.report.card_file import SOURCE
from distill.report.entries import Entry, shown_metrics, title_of, view_name
from lm_eval_tasks import __version__
from lm_eval_tasks.benchmarks import BENCHMARKS

HARNESS = "https://github.com/EleutherAI/lm-evaluation-harness"


def eval_results(result: Result) -> list[EvalResult]:
    """The metrics that tables show, and a benchmark's further ones.

    The block has one place per data set, so the way of asking stands with each metric.
    """
    entry, benchmark = result.entry, BENCHMARKS.get(result.entry["benchmark"])
    own = [score.name for score in benchmark.scores] if benchmark else []
    way = f"{view_name(entry)}{_part(result)}"
    versions = entry["versions"]
    noted = {"task": result.task, "num_few_shot": entry["num_fewshot"], "n": entry["data"]["rows"]}
    found = []
    for name in dict.fromkeys([*shown_metrics(entry), *(name for name in own if name in entry["metrics"])]):
        metric = entry["metrics"][name]
        if metric["rate"] is None:
            continue
        counted = {key: metric.get(key) for key in ("correct", "total", "interval", "stderr")}
        found.append(
            EvalResult(
                task_type="text-generation",
                **_dataset(entry),
                metric_type=name,
                metric_value=metric["rate"],
                metric_name=f"{name.replace('_', ' ')} ({way})",
                metric_args=noted | counted | _fingerprints(entry),
                source_name=f"{SOURCE} {versions.get('icl_distill', __version__)}, "
                f"lm-evaluation-harness {versions.get('lm_eval', '')}".strip(),
                source_url=HARNESS,
            )
        )
    return found


def model_index(name: str, results: Iterable[Result]) -> list[dict[str, Any]]:
    """The block as it stands in the card of the model `name`."""
    found = [line for result in results for line in eval_results(result)]
    return list(ModelCardData(model_name=name, eval_results=found).to_dict().get("model-index", []))


def _fingerprints(entry: Entry) -> dict[str, Any]:
    data, prompts = entry["data"], entry["prompts"]
    found = {"data_fingerprint": data.get("fingerprint", data.get("split_fingerprint"))}
    found |= {"prompts_fingerprint": prompts.get("fingerprint")}
    return {name: value for name, value in found.items() if value}


def _part(result: Result) -> str:
    """Which rows, unless all; a shard's are not the first ones."""
    n, whole = result.entry["data"]["rows"], result.entry["data"]["rows_in_split"]
    if n == whole:
        return ""
    places = [row.get("doc_id", place) for place, row in enumerate((result.rows or {}).values())]
    if places and (places[0], places[-1]) != (0, n - 1):
        return f", {n} of {whole} rows, from {places[0]} to {places[-1]}"
    return f", first {n} of {whole} rows"


def _dataset(entry: Entry) -> dict[str, Any]:
    """Which data set was asked, as `EvalResult` names it.

    A score on the embedded sample must not pass for the benchmark's.
    """
    name = entry["benchmark"]
    if name not in BENCHMARKS:
        return {"dataset_type": name.removeprefix("lm_eval:"), "dataset_name": title_of(entry)}
    title = BENCHMARKS[name].dataset_title
    if entry["data"]["source"] == "sample":
        told = f"embedded sample in the schema of {title}"
        return {"dataset_type": f"icl-distill/sample-{name}", "dataset_name": told}
    split = BENCHMARKS[name].evaluation
    return {
        "dataset_type": split.path,
        "dataset_name": title,
        "dataset_config": split.name,
        "dataset_split": split.split,
    }
