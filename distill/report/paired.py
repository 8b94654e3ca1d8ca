"""Per-row logs -> paired comparisons of what a report puts side by side."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distill.evaluation.kinds import SFT
from distill.evaluation.result import Result, Rows, same_rows
from distill.report.entries import (
    Entry,
    bare_and_prompted,
    best_of,
    conditions_of,
    kind_of,
    last_common,
    shown_metrics,
    trained_entries,
)
from distill.report.labels import subject_name
from distill.report.teachers import Teachers
from distill.statistics.gap import GapClosed
from distill.statistics.paired import Paired, compare, gap_closed
from distill.statistics.significance import holm


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the report's paired comparisons.

    Attributes:
        benchmark: What both were asked.
        first: What is compared with: the base model, or of the conditions the best plain SFT, else the first.
        second: What is compared; a difference is its rate minus that of `first`.
        paired: The primary metric's comparison.
        p_holm: Its p-value, adjusted for all comparisons of the model.
        detectable: Smallest difference that would be found among so many comparisons; see `Paired`.
    """

    benchmark: str
    first: Entry
    second: Entry
    paired: Paired
    p_holm: float
    detectable: float | None


@dataclass
class RowLogs:
    """The rows of entries.

    Attributes:
        results: By an entry's id (see `identity`).
        missing: One sentence for each log that is not there.
    """

    results: Mapping[int, Result]
    missing: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, found: Iterable[Result]) -> "RowLogs":
        """For all that was collected."""
        return cls({id(one.entry): one for one in found})

    def rows(self, entry: Entry) -> Rows | None:
        """By id; None if the log is gone.

        Raises:
            UserError: the log is malformed, or does not hold the rows that the entry counts.
        """
        result = self.results[id(entry)]
        if result.rows is None:
            told = f"{result.log} is gone: {subject_name(entry)} has no paired comparison."
            self.missing += [told] if told not in self.missing else []
        return result.rows

    def columns(self, entries: Sequence[Entry], name: str) -> list[list[Any]] | None:
        """The metric `name` of several entries over the same rows in the same order.

        None if their rows differ, or one of them has no value.
        """
        logs = [self.rows(entry) for entry in entries]
        results = [self.results[id(entry)] for entry in entries]
        if None in logs or not all(same_rows(results[0], other) for other in results[1:]):
            return None
        return columns(results, name)


def columns(results: Sequence[Result], name: str) -> list[list[Any]] | None:
    """The metric `name` of results with the same rows, in one order; None if a row has no value."""
    first = results[0].rows or {}
    values = [[one.rows[id].get(name) for id in first] for one in results if one.rows is not None]
    return None if any(value is None for column in values for value in column) else values


def comparisons(groups: Sequence[Sequence[Entry]], logs: RowLogs) -> list[Comparison]:
    """All pairs that the report compares, with p-values adjusted for their number."""
    found = []
    for group in groups:
        for first, second in _pairs(group):
            if paired := compare_entries(first, second, shown_metrics(first)[0], logs):
                found.append((first["benchmark"], first, second, paired))
    adjusted = holm([paired.p for *_, paired in found])
    return [
        Comparison(*line, p_holm, line[-1].detectable(len(found)))
        for line, p_holm in zip(found, adjusted, strict=True)
    ]


def gaps_closed(
    group: Sequence[Entry], logs: RowLogs, teachers: Teachers
) -> Iterator[tuple[Entry, Entry, GapClosed]]:
    """Prompted base, student and share, for each condition's last checkpoint."""
    bare, _ = bare_and_prompted(group)
    for student in _students(group) if bare else []:
        prompted = teachers.prompted(student, group)
        if not bare or not prompted:
            continue
        if columns := logs.columns([bare, prompted, student], shown_metrics(bare)[0]):
            yield prompted, student, gap_closed(*columns)


def compare_entries(first: Entry, second: Entry, name: str, logs: RowLogs) -> Paired | None:
    """The metric `name` of two entries row by row; None without the same rows."""
    columns = logs.columns([first, second], name)
    return compare(*columns) if columns else None


def _pairs(group: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """(what is compared with, what is compared): the gap, each student with the base, and with a rival."""
    bare, prompted = bare_and_prompted(group)
    students = _students(group)
    if bare:
        yield from ((bare, other) for other in ([prompted] if prompted else []) + students)
    # Of several tries at plain fine-tuning the best: beating a worse one says little.
    rival = best_of([entry for entry in students if kind_of(entry) == SFT] or students[:1])
    yield from ((rival, other) for other in students if rival and other is not rival)


def _students(group: Sequence[Entry]) -> list[Entry]:
    return list(last_common(group, conditions_of(trained_entries(group))).values())
