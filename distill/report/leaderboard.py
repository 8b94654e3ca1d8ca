"""Result files of lm-evaluation-harness -> one leaderboard; its fields stand in docs/leaderboard.md.

One entry per model (weights, adapter, revision, dtype, backend), one record per task and way of asking it.
Counts, intervals and paired results come from the `samples_*.jsonl` that `--log_samples` writes beside the
results.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from distill.report.lm_eval_paired import Answered, comparison_warnings, comparisons
from distill.report.lm_eval_rows import metrics, read_rows
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

    Runs on other rows, such as shards of one task, stay apart.

    Raises:
        UserError: a file is not a result file of the harness, or its logged rows are not those it counts.
    """
    models: dict[str, Json] = {}
    answered: list[Answered] = []
    for file in files:
        results = _read(file)
        model = _model(results)
        entry = models.setdefault(json.dumps(_identity(model), sort_keys=True), model | {"tasks": []})
        entry["versions"] |= model["versions"]
        for new in _answers(results, file, entry):
            answered = [old for old in answered if old.model is not entry or not _replaces(new, old)]
            answered.append(new)
    # A base model comes before its adapters.
    board = sorted(models.values(), key=lambda entry: [value or "" for value in _identity(entry)])
    places = {id(entry): place for place, entry in enumerate(board)}
    answered.sort(key=lambda one: (places[id(one.model)], one.record["task"], one.record["num_fewshot"] or 0))
    for one in answered:
        one.model["tasks"].append(one.record)
    return {
        "format": 1,
        "models": board,
        "comparisons": comparisons(answered),
        "warnings": comparison_warnings(answered),
    }


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


def _model(results: Json) -> Json:
    """Who answered."""
    config = results["config"]
    arguments = config.get("model_args")
    arguments = arguments if isinstance(arguments, dict) else {}
    versions: Json = {}
    for task in results["configs"].values():
        versions |= _versions(results, task.get("metadata") or {})
    return {
        "model": str(arguments.get("pretrained") or results.get("model_name") or config.get("model")),
        "adapter": arguments.get("lora_local_path") or arguments.get("peft"),
        "revision": arguments.get("revision") or config.get("model_revision"),
        "sha": config.get("model_sha") or None,
        "dtype": arguments.get("dtype") or config.get("model_dtype"),
        "backend": config.get("model"),
        "versions": versions,
        "config": arguments,
    }


def _versions(results: Json, metadata: Json) -> Json:
    """The harness's, and those that our tasks note; only what is known."""
    own = {"lm_eval": results.get("lm_eval_version"), "transformers": results.get("transformers_version")}
    found = own | metadata.get("versions", {})
    return {name: version for name, version in found.items() if version}


def _identity(model: Json) -> list[Any]:
    return [model[name] for name in ("model", "adapter", "revision", "sha", "dtype", "backend")]


def _answers(results: Json, file: Path, model: Json) -> Iterator[Answered]:
    """One record per task; groups have no configuration of their own."""
    for task, config in results["configs"].items():
        metadata = config.get("metadata") or {}
        counted = results["n-samples"][task]
        rows = read_rows(file, task, counted["effective"])
        record = {
            "task": task,
            "version": results.get("versions", {}).get(task),
            "num_fewshot": results.get("n-shot", {}).get(task),
            "n": counted["effective"],
            "n_in_split": counted["original"],
            "limit": results["config"].get("limit"),
            "rows": rows.span if rows else None,
            "benchmark": (config.get("dataset_kwargs") or {}).get("benchmark"),
            "asked": {name: metadata[name] for name in _ASKED if name in metadata},
            "generation_kwargs": config.get("generation_kwargs"),
            "chat_template_sha": results.get("chat_template_sha"),
            "system_instruction_sha": results.get("system_instruction_sha"),
            "metrics": metrics(results["results"][task], rows),
            "task_hash": results.get("task_hashes", {}).get(task),
            "versions": _versions(results, metadata),
            "date": results.get("date"),
            "results_file": str(file),
        }
        yield Answered.of(model, record, rows)


def _replaces(new: Answered, old: Answered) -> bool:
    """Whether both are the same question, so that the later answer stands."""
    one, other = new.record, old.record
    ways = ("task", "num_fewshot", "n", "asked", "generation_kwargs", "chat_template_sha",
            "system_instruction_sha", "task_hash")  # fmt: skip
    return all(one[name] == other[name] for name in ways) and all(map(_rows_are_known, (one, other)))


def _rows_are_known(record: Json) -> bool:
    """The hash is over rows and prompts; without it, a part that no limit made may be any shard."""
    return bool(record["task_hash"]) or record["n"] == record["n_in_split"] or record["limit"] is not None
