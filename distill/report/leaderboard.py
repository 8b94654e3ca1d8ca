"""Result files of lm-evaluation-harness -> one leaderboard.

One entry per model (weights, adapter, revision, dtype, backend), one record per task and way of asking it.
Counts come from the `samples_*.jsonl` that `--log_samples` writes beside the results.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval_tasks.errors import UserError

Json = dict[str, Any]

_ASKED = ("demonstrations", "demonstration_seed", "enable_thinking", "data_source", "data_fingerprint",
          "pool_source", "pool_fingerprint")  # fmt: skip
"""What the tasks note of how they were asked, in their `metadata`."""


def result_files(paths: Iterable[Path]) -> list[Path]:
    """The result files among `paths`, folders searched through, oldest first by name.

    Raises:
        UserError: a path does not exist, or there is no result file.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist. Name results_*.json files, or folders that hold some.")
        found += path.rglob("results_*.json") if path.is_dir() else [path]
    if not found:
        raise UserError(
            f"no results_*.json in {', '.join(map(str, paths))}. Run lm_eval with --output_path and "
            "--log_samples."
        )
    return sorted(set(found), key=lambda file: file.name)


def leaderboard(files: Sequence[Path]) -> Json:
    """Merge result files; of a task that was asked twice in the same way, the later run stays.

    Raises:
        UserError: a file is not a result file of the harness.
    """
    models: dict[str, Json] = {}
    for file in files:
        results = _read(file)
        model = _model(results)
        entry = models.setdefault(json.dumps(_identity(model), sort_keys=True), model | {"tasks": []})
        entry["versions"] |= model["versions"]
        for record in _records(results, file):
            entry["tasks"] = [old for old in entry["tasks"] if not _same_question(old, record)]
            entry["tasks"].append(record)
    for entry in models.values():
        entry["tasks"].sort(key=lambda record: (record["task"], record["num_fewshot"] or 0))
    return {"format": 1, "models": sorted(models.values(), key=lambda entry: entry["model"])}


def _read(file: Path) -> Json:
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} cannot be read as JSON ({error}). Name results_*.json of an lm_eval run."
        ) from None
    missing = [key for key in ("results", "configs", "config", "n-samples") if key not in results]
    if missing:
        raise UserError(f"{file} is no result file of lm_eval: it has no {', '.join(missing)}.")
    return results


def _model(results: Json) -> Json:
    """Who answered."""
    config = results["config"]
    arguments = config.get("model_args")
    arguments = arguments if isinstance(arguments, dict) else {}
    noted = [
        task["metadata"].get("versions", {}) for task in results["configs"].values() if task.get("metadata")
    ]
    versions = {
        "lm_eval": results.get("lm_eval_version"),
        "transformers": results.get("transformers_version"),
    }
    for found in noted:
        versions |= found
    return {
        "model": str(arguments.get("pretrained") or results.get("model_name") or config.get("model")),
        "adapter": arguments.get("lora_local_path") or arguments.get("peft"),
        "revision": arguments.get("revision") or config.get("model_revision"),
        "sha": config.get("model_sha") or None,
        "dtype": arguments.get("dtype") or config.get("model_dtype"),
        "backend": config.get("model"),
        "versions": {name: version for name, version in versions.items() if version},
        "config": arguments,
    }


def _identity(model: Json) -> list[Any]:
    return [model[name] for name in ("model", "adapter", "revision", "dtype", "backend")]


def _records(results: Json, file: Path) -> Iterator[Json]:
    """One record per task; groups have no configuration of their own."""
    for task, config in results["configs"].items():
        metadata = config.get("metadata") or {}
        samples = _samples(file, task)
        yield {
            "task": task,
            "version": results.get("versions", {}).get(task),
            "num_fewshot": results.get("n-shot", {}).get(task),
            "n": results["n-samples"][task]["effective"],
            "n_in_split": results["n-samples"][task]["original"],
            "benchmark": (config.get("dataset_kwargs") or {}).get("benchmark"),
            "asked": {name: metadata[name] for name in _ASKED if name in metadata},
            "generation_kwargs": config.get("generation_kwargs"),
            "chat_template_sha": results.get("chat_template_sha"),
            "system_instruction_sha": results.get("system_instruction_sha"),
            "metrics": _metrics(results["results"][task], samples),
            "task_hash": results.get("task_hashes", {}).get(task),
            "date": results.get("date"),
            "results_file": str(file),
        }


def _same_question(one: Json, other: Json) -> bool:
    # The hash is over rows and prompts: shards of one task stay apart.
    ways = ("task", "num_fewshot", "n", "asked", "generation_kwargs", "chat_template_sha",
            "system_instruction_sha", "task_hash")  # fmt: skip
    return all(one[name] == other[name] for name in ways)


def _samples(file: Path, task: str) -> list[Json] | None:
    """The logged rows of a task in the same run, if they were logged."""
    beside = file.with_name(f"samples_{task}_{file.stem.removeprefix('results_')}.jsonl")
    if not beside.is_file():
        return None
    return [json.loads(line) for line in beside.read_text(encoding="utf-8").splitlines() if line.strip()]


def _metrics(found: Mapping[str, Any], samples: list[Json] | None) -> dict[str, Json]:
    """Value, standard error and, where rows were logged, how many of how many; null where unknown."""
    metrics = {}
    for key, value in found.items():
        name, comma, filter_name = key.partition(",")
        if not comma or name.endswith("_stderr"):
            continue
        rows = [row for row in samples or [] if row.get("filter", filter_name) == filter_name and name in row]
        label = name if filter_name == "none" else key
        metrics[label] = {
            "value": _number(value),
            "stderr": _number(found.get(f"{name}_stderr,{filter_name}")),
            **_count([row[name] for row in rows]),
        }
    return metrics


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


def _count(values: Sequence[Any]) -> Json:
    """How many verdicts are true, of how many known; nulls for what is no verdict."""
    flat = [verdict for value in values for verdict in (value if isinstance(value, list) else [value])]
    known = [verdict for verdict in flat if verdict is not None]
    if not known or any(verdict not in (True, False) for verdict in known if not isinstance(verdict, list)):
        return {"count": None, "n": None}
    if any(isinstance(verdict, list) for verdict in known):  # a metric made of two levels
        return {"count": None, "n": None}
    return {"count": int(sum(known)), "n": len(known)}
