"""Results files -> entries, and the training runs that the checkpoints came from."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.evaluation.divergence import Divergence, read_divergence
from distill.evaluation.result import Result, read_file, result_files
from distill.report.entries import Entry, is_bare, kind_of, name_of, title_of
from distill.report.labels import model_name, subject_name
from lm_eval_tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What a training run left beside its checkpoints.

    Attributes:
        condition: Its condition.
        kind: Of training; see `kind_of`.
        benchmark: What its checkpoints were evaluated on.
        title: How that is displayed.
        teacher: What its teacher reads, as far as it was measured: `few-shot` or `prompted`.
        losses: Step and training loss, as logged.
        divergence: What it measured on held-out rows; empty where it did not.
    """

    condition: str
    kind: str
    benchmark: str
    title: str
    teacher: str
    losses: Sequence[tuple[int, float]]
    divergence: Divergence


@dataclass(frozen=True, slots=True)
class Collection:
    """Everything a report is made of.

    Attributes:
        found: One per model, condition, step, benchmark, view, number of demonstrations and seed.
        entries: The same without repeats by seed: the seed that came first.
        sources: For each of `entries`, the file it came from.
        training: The training runs, where their folders are still there.
        warnings: What was odd in collecting them.
    """

    found: list[Result]
    entries: Sequence[Entry]
    sources: list[Path]
    training: list[TrainingRun]
    warnings: list[str] = field(default_factory=list)


def collect(paths: Sequence[Path]) -> Collection:
    """Read results files and folders of them.

    Raises:
        UserError: a path does not exist, a file is malformed, or there is no result at all.
    """
    found: dict[tuple[Any, ...], Result] = {}
    warnings = []
    results = [result for file in result_files(paths) for result in read_file(file)]
    named: dict[str, set[str]] = {}
    for entry in (result.entry for result in results):
        named.setdefault(title_of(entry), set()).add(entry["benchmark"])
    for new in results:
        entry = new.entry
        if len(named[title := title_of(entry)]) > 1:
            entry["title"] = f"{title} ({entry['benchmark']})"
        key = (*_name_of(entry), new.seed)
        old = found.get(key)
        # A copy may lie apart from its training folder, which says the kind.
        if old and old.entry != {**entry, "kind": old.entry["kind"]}:
            newer = entry["date"] > old.entry["date"]
            kept, dropped = (new.source, old.source) if newer else (old.source, new.source)
            warnings.append(
                f"{subject_name(entry)} on {entry['benchmark']} is in {old.source} and in {new.source}, and "
                f"the two differ: the later one, of {kept}, is shown, that of {dropped} is not."
            )
            if not newer:
                continue
        found[key] = new
    if not found:
        listed = ", ".join(map(str, paths))
        raise UserError(
            f"no results in {listed}. Run `icl-distill gap`, `icl-distill eval` or lm_eval first."
        )
    shown: dict[tuple[Any, ...], Result] = {}
    for one in found.values():
        shown.setdefault(_name_of(one.entry), one)
    entries = [one.entry for one in shown.values()]
    sources = [one.source for one in shown.values()]
    return Collection(list(found.values()), entries, sources, _training_runs(list(shown.values())), warnings)


def base_beside(one: Result, found: Iterable[Result]) -> list[Entry]:
    """The base model's entries to compare a checkpoint with: those of its evaluation's seed, else others.

    A folder stands for a model by its last name: each run may have its own copy.
    """
    name, benchmark = model_name(one.entry["model"]["name"]), one.entry["benchmark"]
    by_seed: dict[int, list[Entry]] = {}
    for other in found:
        entry = other.entry
        if (model_name(entry["model"]["name"]), entry["benchmark"], entry["step"]) == (name, benchmark, None):
            by_seed.setdefault(other.seed, []).append(entry)
    return by_seed.get(one.entry["request"].get("seed", 0)) or next(iter(by_seed.values()), [])


def _name_of(entry: Entry) -> tuple[Any, ...]:
    return entry["model"]["name"], *name_of(entry)


def _training_runs(shown: Sequence[Result]) -> list[TrainingRun]:
    folders: dict[tuple[str, str], tuple[Entry, Path]] = {}
    for one in shown:
        if one.checkpoint:
            folders[one.entry["benchmark"], one.entry["condition"]] = one.entry, one.checkpoint.parent
    runs = []
    for (benchmark, condition), (entry, folder) in folders.items():
        losses, divergence = _losses(folder), read_divergence(folder)
        if losses or divergence.means:
            names = benchmark, title_of(entry), _teacher(benchmark, shown)
            runs.append(TrainingRun(condition, kind_of(entry), *names, losses, divergence))
    return runs


def _teacher(benchmark: str, shown: Iterable[Result]) -> str:
    own = [one.entry for one in shown if one.entry["benchmark"] == benchmark and not is_bare(one.entry)]
    return "few-shot" if not own or any(entry["num_fewshot"] for entry in own) else "prompted"


def _losses(folder: Path) -> list[tuple[int, float]]:
    """The log of the last checkpoint, which holds that of all before it."""
    states = sorted(
        folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: int(path.parent.name.split("-")[-1])
    )
    log = _log_of(states[-1]) if states else []
    return [(int(line["step"]), float(line["loss"])) for line in log if "loss" in line]


def _log_of(state: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(state.read_text(encoding="utf-8")).get("log_history", []))
    except ValueError as error:
        raise UserError(f"{state} is not readable as JSON ({error}). Remove it, or train again.") from None
