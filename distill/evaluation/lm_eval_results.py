"""Results files of lm-evaluation-harness, with the rows that `--log_samples` writes beside them, as entries.

Counts and intervals come from those rows. A run of weights in a folder `NAME/checkpoint-STEP` is one of the
condition NAME; of any other adapter the condition is its own name and the step 0.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distill.evaluation.summary import metric_of, number, total, unit_of
from distill.model.fingerprints import digest, digest_all
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_json_lines
from lm_eval_tasks.scoring.metrics import share
from lm_eval_tasks.scoring.names import DIAGNOSTICS, ON_COMPLETED, PARTS, current, flagged

Json = dict[str, Any]
Log = list[Json]

_NEEDED = ("doc_id", "doc_hash", "prompt_hash", "filter")
_PART = "type/"
"""What earlier versions wrote before the name of a type of instruction, as a metric."""


def read_lm_eval(file: Path) -> Iterator[tuple[Json, Callable[[], Log | None]]]:
    """The entries of a results file, each with what reads its rows; groups have none of their own.

    Raises:
        UserError: it is no results file of the harness, or the logged rows are not those it counts.
    """
    results = _read(file)
    for task in results["configs"]:
        path = file.with_name(f"samples_{task}_{file.stem.removeprefix('results_')}.jsonl")
        n = results["n-samples"][task]["effective"]
        log = _read_log(path, n, file.name) if path.is_file() else None
        yield _entry(results, task, log, path.name), lambda log=log: log  # type: ignore[misc]


def _read(file: Path) -> Json:
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} cannot be read as JSON ({error}). Name results_*.json of an lm_eval run."
        ) from None
    parts = results if isinstance(results, dict) else {}
    wanted = ("results", "configs", "config", "n-samples")
    if missing := [name for name in wanted if not isinstance(parts.get(name), dict)]:
        raise UserError(f"{file} is no result file of lm_eval: it has no {', '.join(missing)}.")
    for task in parts["configs"]:
        found = parts["results"].get(task)
        if not isinstance(found, dict) or not any("," in name for name in found):
            raise UserError(f"{file}: results.{task} has no metrics. Evaluate again, or leave the file out.")
        if task not in parts["n-samples"]:
            raise UserError(f"{file}: n-samples.{task} is missing. Evaluate again, or leave the file out.")
    return parts


def _read_log(path: Path, n: int, results_file: str) -> Log:
    """One row per question, with each filter's metrics, in the data set's order."""
    rows: dict[int, Json] = {}
    filters: dict[str, set[int]] = {}
    for where, sample in read_json_lines(path):
        if missing := [name for name in _NEEDED if name not in sample]:
            raise UserError(f"{where} lacks {', '.join(missing)}. Evaluate again with --log_samples.")
        number_, filter_ = sample["doc_id"], sample["filter"]
        filters.setdefault(filter_, set()).add(number_)
        rows.setdefault(number_, _row(sample)).update(_values(sample, filter_))
    if (counts := {len(ids) for ids in filters.values()}) != {n}:
        held = " and ".join(map(str, sorted(counts))) or "no"
        raise UserError(
            f"{path} holds {held} rows, and {results_file} counts {n}. Evaluate again with --log_samples."
        )
    # Several processes log one after another.
    return [rows[number_] for number_ in sorted(rows)]


def _row(sample: Json) -> Json:
    """What is kept of a question whatever the filter: the fields of our own rows, without a log's bulk."""
    doc = sample["doc"] if isinstance(sample.get("doc"), dict) else {}
    ours = "benchmark" in doc or {"id", "prompt", "target"} <= doc.keys()
    prompt = _prompt(sample)
    return {
        "id": str(doc["id"]) if ours else str(sample["doc_id"]),
        "doc_id": sample["doc_id"],
        "question": doc["prompt"] if ours else prompt,
        "target": doc["target"] if ours else sample.get("target"),
        "response": _response(sample),
        "response_tokens": None,
        "truncated": sample.get("truncated"),
        "prompt": digest(prompt) if prompt else sample["prompt_hash"][:16],
        "prompt_sha": sample["prompt_hash"][:16],
        "doc_hash": sample["doc_hash"][:16],
        **{name: doc[name] for name in ("instruction_id_list",) if name in doc},
        **flagged(current(sample.items())),
    }


def _values(sample: Json, filter_: str) -> Json:
    """A sample's metrics by label; what has no value on this row is left out."""
    known = sample.get("metrics") or [name for name in sample if name not in _NO_METRIC]
    found = {label(name, filter_): sample[name] for name in known if sample.get(name) is not None}
    return {
        name: value
        for name, value in current(found.items()).items()
        if not name.startswith(_PART) and not name.endswith("_stderr")
    }


_NO_METRIC = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash",
    "prompt_hash", "target_hash",
}  # fmt: skip


def label(name: str, filter_: str) -> str:
    """A metric under an answer filter, as results name it."""
    return name if filter_ == "none" else f"{name},{filter_}"


def _prompt(sample: Json) -> str:
    """The first argument of the first request; the harness writes lists of them as dictionaries."""
    found = sample.get("arguments")
    while isinstance(found, list | dict) and found:
        found = found[0] if isinstance(found, list) else next(iter(found.values()))
    return found if isinstance(found, str) else ""


def _response(sample: Json) -> str:
    """What was generated; of options, the likeliest."""
    found = [one[0] if isinstance(one, list) and one else one for one in sample.get("resps") or [""]]
    if not isinstance(found[0], list):
        return str(found[0])
    best = max(range(len(found)), key=lambda place: float(found[place][0]))
    requests = sample.get("arguments") or {}
    request = list(requests.values() if isinstance(requests, dict) else requests)[best]
    return str(list(request.values() if isinstance(request, dict) else request)[-1]).strip()


def _entry(results: Json, task: str, log: Log | None, samples: str) -> Json:
    config, run, counted = results["configs"][task], results["config"], results["n-samples"][task]
    metadata = config.get("metadata") or {}
    benchmark = _benchmark(task, config, metadata)
    k = results.get("n-shot", {}).get(task) or 0
    system = results.get("system_instruction")
    metrics, diagnostics = _numbers(results["results"][task], log, counted["effective"], benchmark)
    arguments = _arguments(run.get("model_args"))
    template = results.get("chat_template_sha")
    backend = run.get("model")
    return {
        **_who(arguments, results, run),
        "benchmark": benchmark,
        "title": BENCHMARKS[benchmark].title if benchmark in BENCHMARKS else task,
        "view": "prompted" if k or system else "bare",
        "num_fewshot": k,
        "request": {"backend": backend} | _known(metadata, enable_thinking="enable_thinking"),
        "metrics": metrics,
        "diagnostics": diagnostics,
        **({PARTS: metadata[PARTS]} if PARTS in metadata else {}),
        "data": {
            "source": metadata.get("data_source") or config.get("dataset_path"),
            "rows": counted["effective"],
            "rows_in_split": counted["original"],
            **_known(metadata, split_fingerprint="data_fingerprint", bad_rows="bad_rows"),
        },
        "demonstrations": {"num_fewshot": k, "system": digest(system) if system else None}
        | (_known(metadata, mode="demonstrations", seed="demonstration_seed", source="pool_source",
                  pool_fingerprint="pool_fingerprint") if k else {}),
        "prompts": {"chat_template": template[:16] if template else None}
        | ({"fingerprint": digest_all(row["prompt"] for row in log)} if log else {}),
        "generation": dict(config.get("generation_kwargs") or {}),
        "versions": _versions(results, metadata),
        "date": _date(results.get("date")),
        "seconds": number(_float(results.get("total_evaluation_time_seconds"))) or 0.0,
        "samples": samples,
        "lm_eval": {
            "task": task,
            "version": results.get("versions", {}).get(task),
            "limit": run.get("limit"),
            "task_hash": results.get("task_hashes", {}).get(task),
            "model_args": arguments,
        },
    }  # fmt: skip


def _benchmark(task: str, config: Json, metadata: Json) -> str:
    """As our own results name the task."""
    if "data_fingerprint" not in metadata:
        return f"lm_eval:{task}"
    name = (config.get("dataset_kwargs") or {}).get("benchmark")
    return name if name and task in (f"{name}_icl_0shot", f"{name}_icl_fewshot") else task


def _arguments(given: Any) -> Json:
    """`--model_args`, which earlier versions of the harness log as text."""
    if isinstance(given, str):
        return dict(pair.split("=", 1) for pair in given.split(",") if "=" in pair)
    return dict(given or {})


def _who(arguments: Json, results: Json, run: Json) -> Json:
    """Condition, step and model."""
    name = str(arguments.get("pretrained") or results.get("model_name") or run.get("model"))
    adapter = arguments.get("lora_local_path") or arguments.get("peft")
    place = Path(adapter or name)
    step = re.fullmatch(r"checkpoint-(\d+)", place.name)
    dtype = arguments.get("dtype") or run.get("model_dtype")
    revision = arguments.get("revision") or run.get("model_revision")
    model = {
        "name": name,
        "kind": "adapter" if adapter else "full" if step else "base",
        # Absolute, if it is there: a results file may lie anywhere.
        "checkpoint": str(place.resolve() if place.exists() else place) if adapter or step else None,
        "fingerprint": run.get("model_sha") or None,
        "revision": None if revision == "main" else revision,
        "dtype": None if dtype is None else str(dtype).removeprefix("torch."),
    }
    if not adapter and not step:
        return {"condition": "base", "step": None, "kind": "base", "model": model}
    condition = place.parent.name if step else place.name
    return {"condition": condition, "step": int(step[1]) if step else 0, "kind": None, "model": model}


def _known(found: Mapping[str, Any], **names: str) -> Json:
    """What is told, under our own names."""
    return {ours: found[theirs] for ours, theirs in names.items() if theirs in found}


def _versions(results: Json, metadata: Json) -> Json:
    """The harness's, and those that our tasks note; only what is known."""
    own = {"lm_eval": results.get("lm_eval_version"), "transformers": results.get("transformers_version")}
    found = own | metadata.get("versions", {})
    return {name.replace("-", "_"): version for name, version in found.items() if version}


def _float(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _date(stamp: Any) -> str:
    seconds = _float(stamp)
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _numbers(found: Json, log: Log | None, n: int, benchmark: str) -> tuple[Json, Json]:
    """Metrics, the primary one first, and diagnostics."""
    metrics: Json = {}
    for key, value in found.items():
        name, comma, filter_ = key.partition(",")
        if not comma or name.endswith("_stderr") or name.startswith(_PART):
            continue
        column = [row[name_] for row in log or () if (name_ := _current(label(name, filter_))) in row]
        stderr = found.get(f"{name}_stderr,{filter_}")
        metrics[_current(label(name, filter_))] = _metric(column, value, stderr, n)
    own = [score.name for score in BENCHMARKS[benchmark].scores] if benchmark in BENCHMARKS else []
    told = {name: metrics.pop(name) for name in [*DIAGNOSTICS, ON_COMPLETED] if name in metrics}
    order = sorted(metrics, key=lambda name: _rank(name, metrics[name], own, n))
    metrics = {name: metrics[name] for name in order if metrics[name]["rate"] is not None} or metrics
    return metrics, _diagnostics(told, next(iter(metrics), ""))


def _current(name: str) -> str:
    (found,) = current([(name, None)])
    return found


def _metric(column: Sequence[Any], value: Any, stderr: Any, n: int) -> Json:
    unit = unit_of(column)
    if unit == "total":
        return total(value, stderr, n)
    made = metric_of(column, unit)
    # The harness's number is what was published; ours counts what the rows hold.
    return made | {
        "rate": number(value),
        "stderr": made["stderr"] if number(stderr) is None else number(stderr),
    }


def _rank(name: str, metric: Json, own: Sequence[str], n: int) -> tuple[int, int]:
    """A benchmark's scores in its order; then verdicts on every row, scores, and the rest as they come."""
    if name in own:
        return 0, own.index(name)
    complete = metric["total"] == n
    return 1, ["row", "score"].index(metric["unit"]) if metric["unit"] in ("row", "score") and complete else 2


def _diagnostics(told: Json, primary: str) -> Json:
    """As our own results have them; what is not known is left out."""
    found: Json = {}
    for name, metric in told.items():
        rate, count = metric["rate"], metric["correct"]
        if name == ON_COMPLETED:
            n = metric["total"] if count is not None else None if rate is not None else 0
            found[name] = {"metric": primary, "count": count, "total": n, "rate": rate}
        elif rate is not None:
            found[name] = share(round(rate * metric["total"]) if count is None else count, metric["total"])
    return found
