"""Per-row logs -> paired comparisons of what a report puts side by side."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.report.collect import Found
from distill.report.labels import Entry, in_order, shown_metrics, subject_name
from distill.report.tables import base_entries, last_common, trained_entries
from distill.statistics.paired import GapClosed, Paired, compare, difference_interval, gap_closed, holm
from lm_eval_tasks.errors import UserError

Rows = dict[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the report's paired comparisons.

    Attributes:
        benchmark: What both were asked.
        first: What is compared.
        second: What it is compared with.
        paired: The primary metric's comparison.
        p_holm: Its p-value, adjusted for all comparisons of the report.
    """

    benchmark: str
    first: Entry
    second: Entry
    paired: Paired
    p_holm: float


@dataclass
class RowLogs:
    """Reads the rows of entries, once each.

    Attributes:
        sources: For each entry's id (see `identity`), the results file it came from.
        missing: One sentence for each log that is not there.
    """

    sources: Mapping[int, Path]
    missing: list[str] = field(default_factory=list)
    _read: dict[Path, Rows | None] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[Found]) -> "RowLogs":
        """For all that was collected."""
        return cls({id(one.entry): one.source for one in found})

    def rows(self, entry: Entry) -> Rows | None:
        """By id; None if the log is gone.

        Raises:
            UserError: the log is malformed, or does not hold the rows that the entry counts.
        """
        path = self.sources[id(entry)].parent / entry["samples"]
        if path not in self._read:
            self._read[path] = self._load(path, entry) if path.is_file() else None
            if self._read[path] is None:
                self.missing.append(f"{path} is gone: {subject_name(entry)} has no paired comparison.")
        return self._read[path]

    def columns(self, entries: Sequence[Entry], name: str) -> list[list[Any]] | None:
        """The metric `name` of several entries over the same rows in the same order; None if they differ."""
        logs = [self.rows(entry) for entry in entries]
        found = [log for log in logs if log is not None]
        if len(found) < len(logs) or any(log.keys() != found[0].keys() for log in found):
            return None
        if any(log[key]["question"] != found[0][key]["question"] for log in found for key in log):
            return None
        return [[log[key][name] for key in found[0]] for log in found]

    def _load(self, path: Path, entry: Entry) -> Rows:
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
            rows = {row["id"]: row for row in (json.loads(line) for line in lines if line)}
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is not readable as rows ({error!r}). Measure again.") from None
        if len(rows) != entry["data"]["rows"]:
            raise UserError(
                f"{path} holds {len(rows)} rows, and the results say {entry['data']['rows']}. Measure again."
            )
        return rows


def comparisons(groups: Sequence[Sequence[Entry]], logs: RowLogs) -> list[Comparison]:
    """All pairs that the report compares, with p-values adjusted for their number."""
    found = []
    for group in groups:
        name = shown_metrics(group[0]["benchmark"])[0]
        for first, second in _pairs(group):
            if columns := logs.columns([first, second], name):
                found.append((group[0]["benchmark"], first, second, compare(*columns)))
    adjusted = holm([paired.p for *_, paired in found])
    return [Comparison(*line, p_holm) for line, p_holm in zip(found, adjusted, strict=True)]


def gaps_closed(group: Sequence[Entry], logs: RowLogs) -> Iterator[tuple[Entry, Entry, GapClosed]]:
    """Few-shot base, student and share, for each condition's last checkpoint."""
    zero, few_shot = zero_and_few_shot(group)
    for student in _students(group) if zero and few_shot else ():
        name = shown_metrics(student["benchmark"])[0]
        if columns := logs.columns([zero, few_shot, student], name):  # type: ignore[list-item] # both are there
            yield few_shot, student, gap_closed(*columns)  # type: ignore[misc] # both are there


def gap_interval(zero: Entry, few_shot: Entry, name: str, logs: RowLogs) -> tuple[float, float] | None:
    """95% interval of the ICL gap in the metric `name`; None without the rows."""
    columns = logs.columns([zero, few_shot], name)
    if columns is None:
        return None
    first, second = columns
    if zero["metrics"][name]["unit"] == "row":
        return difference_interval(first, second)
    # Verdicts on instructions: whole rows are drawn, so that those of one prompt stay together.
    return difference_interval(list(map(sum, first)), list(map(sum, second)), list(map(len, first)))


def zero_and_few_shot(group: Sequence[Entry]) -> tuple[Entry | None, Entry | None]:
    """The base model without demonstrations and with the most."""
    base = sorted(base_entries(group), key=lambda entry: entry["num_fewshot"])
    zero = base[0] if base and base[0]["num_fewshot"] == 0 else None
    return zero, base[-1] if base and base[-1]["num_fewshot"] else None


def _pairs(group: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """(what is compared with, what is compared): the gap, each student with the base, and with the first."""
    zero, few_shot = zero_and_few_shot(group)
    students = _students(group)
    if zero:
        yield from ((zero, other) for other in ([few_shot] if few_shot else []) + students)
    yield from ((students[0], other) for other in students[1:])


def _students(group: Sequence[Entry]) -> list[Entry]:
    conditions = in_order(entry["condition"] for entry in trained_entries(group))
    return list(last_common(group, conditions).values())
