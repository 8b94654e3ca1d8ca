"""What baking cost: a job's folder `retention` -> what each student forgot, its drift, what it saves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.evaluation.results import read_results
from distill.evaluation.retention_files import DRIFT, ECONOMY, FOLDER, RESULTS, read_drift
from distill.evaluation.summary import primary_metric
from distill.report.entries import Entry
from distill.statistics.intervals import Interval, percentiles, resample
from distill.statistics.retention import Kept, kept
from lm_eval_tasks.errors import UserError

Student = tuple[str, int]
"""Condition and step."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one student.

    Attributes:
        condition: Its condition.
        step: Its step.
        tasks: The entries of bare model and student on each task.
        kept: What the rows say; None: no task was asked.
        drift: Its entry of `drift.json`; None: not measured.
        drift_interval: 95% interval of KL(bare || student) per token, by the bootstrap over prompts.
        economy: Its entry of `economy.json`, with `engine` and `device`; None: not measured.
    """

    condition: str
    step: int
    tasks: tuple[tuple[Entry, Entry], ...]
    kept: Kept | None
    drift: Mapping[str, Any] | None
    drift_interval: Interval | None
    economy: Mapping[str, Any] | None


def read_costs(job: Path) -> list[Cost]:
    """The costs of a job's students; none where they were not measured.

    Args:
        job: The folder of the job's results file.

    Raises:
        UserError: a file is not readable.
    """
    folder = job / FOLDER
    results = folder / RESULTS
    entries: list[Entry] = read_results(results)["results"] if results.is_file() else []
    bare = {entry["benchmark"]: entry for entry in entries if entry["step"] is None}
    asked: dict[Student, list[Entry]] = {}
    for entry in entries:
        if entry["step"] is not None:
            asked.setdefault((entry["condition"], entry["step"]), []).append(entry)
    drifts = {(one["condition"], one["step"]): one for one in read_drift(folder / DRIFT)["students"]}
    savings = _savings(folder / ECONOMY)
    students = dict.fromkeys([*asked, *drifts, *savings])
    return [
        _cost(student, folder, asked.get(student, []), bare, drifts.get(student), savings.get(student))
        for student in students
    ]


def _cost(
    student: Student,
    folder: Path,
    entries: list[Entry],
    bare: Mapping[str, Entry],
    drift: Mapping[str, Any] | None,
    economy: Mapping[str, Any] | None,
) -> Cost:
    pairs, columns = [], []
    for entry in entries:
        first = bare.get(entry["benchmark"])
        if first is not None and (found := _columns(folder, first, entry)):
            pairs.append((first, entry))
            columns.append(found)
    compared = kept([one for one, _ in columns], [other for _, other in columns]) if columns else None
    interval = None
    if drift is not None:
        totals = resample([drift["kl_rows"], drift["tokens"]])
        interval = percentiles(totals[:, 0] / totals[:, 1])
    return Cost(*student, tuple(pairs), compared, drift, interval, economy)


def _columns(folder: Path, first: Entry, second: Entry) -> tuple[list[Any], list[Any]] | None:
    """The primary metric of both over the same rows; None where rows differ or have no value."""
    name = primary_metric(first)
    one, other = (_values(folder / entry["samples"], name) for entry in (first, second))
    if one.keys() != other.keys() or not one or None in (*one.values(), *other.values()):
        return None
    return list(one.values()), [other[id] for id in one]


def _values(log: Path, metric: str) -> dict[str, Any]:
    if not log.is_file():
        return {}
    rows = (json.loads(line) for line in log.read_text(encoding="utf-8").split("\n") if line)
    return {row["id"]: row.get(metric) for row in rows}


def _savings(path: Path) -> dict[Student, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not readable as JSON ({error}). Remove it, and measure again.") from None
    served = {name: content[name] for name in ("engine", "device")}
    return {(one["condition"], one["step"]): one | served for one in content["students"]}
