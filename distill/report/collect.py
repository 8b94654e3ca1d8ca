"""Results files -> entries, and the training runs that the checkpoints came from."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.evaluate.results import SCHEMA, key_of, read_results
from distill.report.labels import Entry, subject_name
from lm_eval_tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What a training run left beside its checkpoints.

    Attributes:
        condition: Its condition.
        benchmark: What its checkpoints were evaluated on.
        losses: Step and training loss, as logged.
        divergence: By step, the figures of `divergence.json`; empty where it was not measured.
    """

    condition: str
    benchmark: str
    losses: Sequence[tuple[int, float]]
    divergence: dict[int, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Collection:
    """Everything a report is made of.

    Attributes:
        entries: One per model, condition, step, benchmark and number of demonstrations.
        sources: For each entry, the file it came from.
        training: The training runs, where their folders are still there.
        warnings: What was odd in collecting them.
    """

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
    found: dict[tuple[Any, ...], tuple[Entry, Path]] = {}
    warnings = []
    for file in dict.fromkeys(files):
        for entry in read_results(file)["results"]:
            key = (entry["model"]["name"], *key_of(entry))
            if key in found and found[key][0] != entry:
                old, place = found[key]
                newer = entry["date"] > old["date"]
                kept, dropped = (file, place) if newer else (place, file)
                warnings.append(
                    f"{subject_name(entry)} on {entry['benchmark']} is in {place} and in {file}, and the two "
                    f"differ: the later one, of {kept}, is shown, that of {dropped} is not."
                )
                if not newer:
                    continue
            found[key] = (entry, file)
    if not found:
        listed = ", ".join(map(str, paths))
        raise UserError(f"no results in {listed}. Run `icl-distill gap` or `icl-distill eval` first.")
    entries = [entry for entry, _ in found.values()]
    sources = [source for _, source in found.values()]
    return Collection(entries, sources, _training_runs(entries, sources), warnings)


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
    """Whether the file begins as our results files do; a tokenizer's megabytes are not read."""
    with file.open(encoding="utf-8", errors="replace") as text:
        return f'"{SCHEMA}"' in text.read(200)


def _training_runs(entries: Iterable[Entry], sources: Iterable[Path]) -> list[TrainingRun]:
    folders: dict[tuple[str, str], Path] = {}
    for entry, source in zip(entries, sources, strict=True):
        if entry["model"]["checkpoint"]:
            folder = (source.parent / entry["model"]["checkpoint"]).parent
            folders[entry["benchmark"], entry["condition"]] = folder
    runs = []
    for (benchmark, condition), folder in folders.items():
        losses, divergence = _losses(folder), _divergence(folder)
        if losses or divergence:
            runs.append(TrainingRun(condition, benchmark, losses, divergence))
    return runs


def _losses(folder: Path) -> list[tuple[int, float]]:
    """The log of the last checkpoint, which holds that of all before it."""
    states = sorted(
        folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: int(path.parent.name.split("-")[-1])
    )
    log = _json(states[-1]).get("log_history", []) if states else []
    return [(int(line["step"]), float(line["loss"])) for line in log if "loss" in line]


def _divergence(folder: Path) -> dict[int, dict[str, float]]:
    path = folder / "divergence.json"
    steps = _json(path).get("steps", {}) if path.is_file() else {}
    return {int(step): figures for step, figures in sorted(steps.items(), key=lambda item: int(item[0]))}


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UserError(f"{path} is not readable as JSON ({error}). Remove it, or train again.") from None
