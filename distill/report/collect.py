"""Results files -> entries, and the training runs that the checkpoints came from."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.evaluation.divergence import Divergence, read_divergence
from distill.evaluation.kinds import kind_by
from distill.evaluation.results import SCHEMA, read_results
from distill.evaluation.retention_files import KIND as RETENTION
from distill.evaluation.token_divergence import TokenDivergence, read_token_divergence
from distill.report.entries import Entry, is_bare, kind_of, name_of, title_of
from distill.report.labels import model_name, subject_name
from distill.training.provenance import FILE as PROVENANCE
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
        tokens: The same of each answer token; None where it is not known.
    """

    condition: str
    kind: str
    benchmark: str
    title: str
    teacher: str
    losses: Sequence[tuple[int, float]]
    divergence: Divergence
    tokens: TokenDivergence | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One entry and where it came from.

    Attributes:
        entry: The entry.
        source: Its results file.
        provenance: Of a checkpoint, its training's `provenance.json`; empty where there is none.
    """

    entry: Entry
    source: Path
    provenance: dict[str, Any]

    @property
    def seed(self) -> int:
        """The training's, of a checkpoint; else the evaluation's."""
        return int(self.provenance.get("seed", self.entry["request"]["seed"]))

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint's folder, which need not be there any more; None for a base model."""
        named = self.entry["model"]["checkpoint"]
        return self.source.parent / named if named else None


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

    found: list[Found]
    entries: list[Entry]
    sources: list[Path]
    training: list[TrainingRun]
    warnings: list[str] = field(default_factory=list)


def collect(paths: Sequence[Path]) -> Collection:
    """Read results files and folders of them.

    Raises:
        UserError: a path does not exist, a file is malformed, or there is no result at all.
    """
    files = [file for path in paths for file in _result_files(path)]
    found: dict[tuple[Any, ...], Found] = {}
    warnings = []
    read = {file: read_results(file)["results"] for file in dict.fromkeys(files)}
    named: dict[str, set[str]] = {}
    for entry in (entry for entries in read.values() for entry in entries):
        named.setdefault(title_of(entry), set()).add(entry["benchmark"])
    for file, entries in read.items():
        for entry in entries:
            if len(named[title := title_of(entry)]) > 1:
                entry["title"] = f"{title} ({entry['benchmark']})"
            new = Found(entry, file, _provenance(entry, file))
            entry["kind"] = entry.get("kind") or kind_by(new.provenance)
            key = (*_name_of(entry), new.seed)
            old = found.get(key)
            # A copy may lie apart from its training folder, which says the kind.
            if old and old.entry != {**entry, "kind": old.entry["kind"]}:
                newer = entry["date"] > old.entry["date"]
                kept, dropped = (file, old.source) if newer else (old.source, file)
                warnings.append(
                    f"{subject_name(entry)} on {entry['benchmark']} is in {old.source} and in {file}, and "
                    f"the two differ: the later one, of {kept}, is shown, that of {dropped} is not."
                )
                if not newer:
                    continue
            found[key] = new
    if not found:
        listed = ", ".join(map(str, paths))
        raise UserError(f"no results in {listed}. Run `icl-distill gap` or `icl-distill eval` first.")
    shown: dict[tuple[Any, ...], Found] = {}
    for one in found.values():
        shown.setdefault(_name_of(one.entry), one)
    entries = [one.entry for one in shown.values()]
    sources = [one.source for one in shown.values()]
    return Collection(list(found.values()), entries, sources, _training_runs(list(shown.values())), warnings)


def base_beside(one: Found, found: Iterable[Found]) -> list[Entry]:
    """The base model's entries to compare a checkpoint with: those of its evaluation's seed, else others.

    A folder stands for a model by its last name: each run may have its own copy.
    """
    name, benchmark = model_name(one.entry["model"]["name"]), one.entry["benchmark"]
    by_seed: dict[int, list[Entry]] = {}
    for other in found:
        entry = other.entry
        if (model_name(entry["model"]["name"]), entry["benchmark"], entry["step"]) == (name, benchmark, None):
            by_seed.setdefault(other.seed, []).append(entry)
    return by_seed.get(one.entry["request"]["seed"]) or next(iter(by_seed.values()), [])


def _name_of(entry: Entry) -> tuple[Any, ...]:
    return entry["model"]["name"], *name_of(entry)


def _provenance(entry: Entry, source: Path) -> dict[str, Any]:
    named = entry["model"]["checkpoint"]
    path = (source.parent / named).parent / PROVENANCE if named else None
    return _json(path) if path and path.is_file() else {}


def _result_files(path: Path) -> list[Path]:
    """A file itself, or the results files in a folder, without those of checkpoints and hidden folders."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist. Name results files, or folders that hold them.")
    found = []
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith((".", "checkpoint-")) and name != "samples"
        )
        jsons = (Path(folder) / name for name in sorted(names) if name.endswith(".json"))
        found += [file for file in jsons if _is_ours(file)]
    return found


def _is_ours(file: Path) -> bool:
    """Whether the file begins as results of a job do; a tokenizer's megabytes are not read."""
    with file.open(encoding="utf-8", errors="replace") as text:
        begin = text.read(200)
    # What was asked beside the job is shown beside its gain, not as a further job; see `costs`.
    return f'"{SCHEMA}"' in begin and f'"kind": "{RETENTION}"' not in begin


def _training_runs(shown: Sequence[Found]) -> list[TrainingRun]:
    folders: dict[tuple[str, str], tuple[Entry, Path]] = {}
    for one in shown:
        if one.checkpoint:
            folders[one.entry["benchmark"], one.entry["condition"]] = one.entry, one.checkpoint.parent
    runs = []
    for (benchmark, condition), (entry, folder) in folders.items():
        losses, divergence = _losses(folder), read_divergence(folder)
        if losses or divergence.means:
            names = benchmark, title_of(entry), _teacher(benchmark, shown)
            tokens = read_token_divergence(folder)
            runs.append(TrainingRun(condition, kind_of(entry), *names, losses, divergence, tokens))
    return runs


def _teacher(benchmark: str, shown: Iterable[Found]) -> str:
    own = [one.entry for one in shown if one.entry["benchmark"] == benchmark and not is_bare(one.entry)]
    return "few-shot" if not own or any(entry["num_fewshot"] for entry in own) else "prompted"


def _losses(folder: Path) -> list[tuple[int, float]]:
    """The log of the last checkpoint, which holds that of all before it."""
    states = sorted(
        folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: int(path.parent.name.split("-")[-1])
    )
    log = _json(states[-1]).get("log_history", []) if states else []
    return [(int(line["step"]), float(line["loss"])) for line in log if "loss" in line]


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UserError(f"{path} is not readable as JSON ({error}). Remove it, or train again.") from None
