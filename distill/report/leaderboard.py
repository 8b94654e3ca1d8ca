"""Results, of ours and of lm-eval, -> one leaderboard; its fields stand in docs/leaderboard.md.

One entry per model (weights, adapter, revision, dtype, backend), one record per task and way of asking it.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from distill.evaluation import result
from distill.evaluation.result import Result, read_file, same_rows
from distill.model.fingerprints import digest_all
from distill.report.comparability import BASE_MODEL, SEED, differing
from distill.report.leaderboard_pairs import Json, Ranked, comparisons, leaderboard_warnings
from distill.report.model_index import model_index
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.intervals import wilson_interval
from lm_eval_tasks.scoring.names import PARTS

_ASKED = {"demonstrations": "mode", "demonstration_seed": "seed", "pool_source": "source",
          "pool_fingerprint": "pool_fingerprint"}  # fmt: skip
"""How a record names what an entry says of demonstrations."""


def result_files(paths: Iterable[Path]) -> list[Path]:
    """The results files among `paths`, folders searched through, oldest first by name.

    Raises:
        UserError: a path does not exist, or there is no result file.
    """
    found = result.result_files(paths)
    if not found:
        raise UserError(
            f"no results in {', '.join(map(str, paths))}: neither results_*.json of lm_eval (--output_path, "
            "--log_samples) nor results files of `icl-distill gap`, `eval` or `bake`."
        )
    return sorted(found, key=lambda file: file.name)


def leaderboard(files: Sequence[Path]) -> Json:
    """Merge result files; of a task that was asked twice in the same way, the later run stays.

    Runs on other rows, such as shards of one task, stay apart.

    Raises:
        UserError: a file is no result file, or its logged rows are not those it counts.
    """
    models: dict[str, Json] = {}
    ranked: list[Ranked] = []
    for one in (one for file in files for one in read_file(file)):
        model = _model(one)
        entry = models.setdefault(json.dumps(_identity(model), sort_keys=True), model | {"tasks": []})
        entry["versions"] |= model["versions"]
        new = Ranked(one, entry, _record(one))
        ranked = [old for old in ranked if old.model is not entry or not _replaces(new, old)]
        ranked.append(new)
    # A base model comes before its adapters.
    board = sorted(models.values(), key=lambda entry: [value or "" for value in _identity(entry)])
    places = {id(entry): place for place, entry in enumerate(board)}
    ranked.sort(key=lambda one: (places[id(one.model)], *one.question))
    for new in ranked:
        new.model["tasks"].append(new.record)
    for entry in board:
        name = Path(entry["adapter"] or entry["model"]).name
        entry["model_index"] = model_index(name, [one.result for one in ranked if one.model is entry])
    return {
        "format": 1,
        "models": board,
        "comparisons": comparisons(ranked),
        "warnings": leaderboard_warnings(ranked),
    }


def _model(one: Result) -> Json:
    """Who answered."""
    model, told = one.entry["model"], one.entry.get("lm_eval") or {}
    trained = str(_resolved(one.checkpoint)) if one.checkpoint else None
    full = model["kind"] == "full" and trained is not None
    return {
        "model": trained if full else str(_resolved(Path(model["name"]))),
        "adapter": None if full else trained,
        "revision": model.get("revision"),
        # Of ours the fingerprint is of the very weights; lm-eval's hash is of the hub's commit.
        "sha": model["fingerprint"] if told else None,
        "dtype": model["dtype"],
        "backend": one.entry["request"]["backend"],
        "versions": {name: version for name, version in one.entry["versions"].items() if version},
        "config": told.get("model_args", {}),
    }


def _resolved(path: Path) -> Path:
    """A folder by its whole name, however a run spelled it; anything else as it is."""
    return path.resolve() if path.is_dir() else path


def _identity(model: Json) -> list[Any]:
    return [model[name] for name in ("model", "adapter", "revision", "sha", "dtype", "backend")]


def _record(one: Result) -> Json:
    entry, told = one.entry, one.entry.get("lm_eval") or {}
    data, shown = entry["data"], entry["demonstrations"]
    return {
        "task": one.task,
        "version": told.get("version"),
        "num_fewshot": entry["num_fewshot"],
        "view": entry["view"],
        "n": data["rows"],
        "n_in_split": data["rows_in_split"],
        "limit": told.get("limit"),
        "rows": _span(one),
        "benchmark": entry["benchmark"],
        "asked": {
            "data_source": data["source"],
            "data_fingerprint": data.get("split_fingerprint", data.get("fingerprint")),
            "enable_thinking": entry["request"].get("enable_thinking"),
            **{name: shown[ours] for name, ours in _ASKED.items() if ours in shown},
        },
        "generation_kwargs": entry["generation"],
        "chat_template_sha": entry["prompts"]["chat_template"],
        "system_instruction_sha": shown.get("system"),
        "metrics": _metrics(entry),
        PARTS: entry.get(PARTS),
        "task_hash": told.get("task_hash"),
        "versions": entry["versions"],
        "date": entry["date"],
        "results_file": str(one.source),
    }


def _span(one: Result) -> Json | None:
    """Which rows of the data set were asked; ours are the first ones."""
    if one.rows is None:
        return None
    places = [row.get("doc_id", place) for place, row in enumerate(one.rows.values())]
    return {"first": places[0], "last": places[-1], "fingerprint": digest_all(one.docs() or [])}


def _metrics(entry: Json) -> Json:
    """Metrics and diagnostics by name, in one form."""
    found = {
        name: {
            "value": one["rate"],
            "stderr": one["stderr"],
            "count": one["correct"],
            "n": None if one["unit"] == "total" else one["total"],
            "interval": one["interval"],
            "unit": None if one["unit"] == "total" else one["unit"],
        }
        for name, one in entry["metrics"].items()
    }
    for name, one in entry["diagnostics"].items():
        if isinstance(one, dict):
            count, n = one["count"], one["total"]
            bounds = list(wilson_interval(one["rate"], n)) if n and count is not None else None
            told = {"value": one["rate"], "stderr": None, "count": count, "n": n}
            found[name] = told | {"interval": bounds, "unit": "row"}
    return found


def _replaces(new: Ranked, old: Ranked) -> bool:
    """Whether both are the same question, so that the later answer stands."""
    one, other = new.result, old.result
    if new.question != old.question or one.task != other.task or new.record["n"] != old.record["n"]:
        return False
    if differing(one.entry, other.entry, but=(BASE_MODEL, SEED, *_SOFTWARE)):
        return False
    if one.rows is not None and other.rows is not None:
        return same_rows(one, other)
    known = all(map(_rows_are_known, (new.record, old.record)))
    return known and new.record["task_hash"] == old.record["task_hash"]


_SOFTWARE = ("the task's version", "lm_eval's version", "icl-distill's version", "transformers' version")


def _rows_are_known(record: Json) -> bool:
    """The hash is over rows and prompts; without it, a part that no limit made may be any shard."""
    return bool(record["task_hash"]) or record["n"] == record["n_in_split"] or record["limit"] is not None
