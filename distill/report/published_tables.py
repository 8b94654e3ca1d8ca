"""Published scores beside what a run reproduced."""

from collections.abc import Sequence
from pathlib import Path

from distill.report.collect import Collection
from distill.report.entries import Entry, is_bare, primary, task_title, title_of
from distill.report.labels import MISSING, percent, points, subject_name, table, with_interval
from distill.report.published import BASE, ReportedScore, read_reported

NOTE = (
    "Reproduced: counts and 95% interval. `best` is chosen by its own score among the evaluated steps; where "
    "the source states no step, the last one evaluated stands beside it."
)


def reported_tables(run_dirs: Sequence[Path], collection: Collection) -> list[str]:
    """For each run whose file has a `reported:` block: its source, and a table.

    Raises:
        UserError: a run file is malformed.
    """
    found = []
    for folder in run_dirs:
        reported = read_reported(folder)
        own = [
            entry
            for entry, source in zip(collection.entries, collection.sources, strict=True)
            if source.resolve().is_relative_to(folder.resolve())
        ]
        if reported.scores:
            found += [f"Reported by: {reported.source}", _table(reported.scores, own)]
    return [*found, NOTE] if found else []


def _table(scores: Sequence[ReportedScore], entries: Sequence[Entry]) -> str:
    header = ["Dataset", "Condition", "Reported at", "Reported", "Reproduced at", "Reproduced", "Difference"]
    header.append("Reported within the interval")
    rows = []
    titles = {entry["benchmark"]: title_of(entry) for entry in entries}
    for score in scores:
        title = titles.get(score.benchmark) or task_title(score.benchmark)
        row = [title, score.condition, _place(score), percent(score.score)]
        entry = _reproduced(score, entries)
        if entry is None:
            rows.append([*row, *[MISSING] * 4])
            continue
        metric = primary(entry)
        row += [subject_name(entry), with_interval(metric), points(metric["rate"] - score.score)]
        rows.append([*row, _within(score.score, metric.get("interval"))])
    return table(header, rows)


def _within(score: float, bounds: Sequence[float] | None) -> str:
    if bounds is None:
        return MISSING
    return "yes" if bounds[0] <= score <= bounds[1] else "no"


def _place(score: ReportedScore) -> str:
    return f"step {score.which}" if score.step is not None else score.which


def _reproduced(score: ReportedScore, entries: Sequence[Entry]) -> Entry | None:
    """The entry that answers to a published score."""
    own = [e for e in entries if (e["benchmark"], e["condition"]) == (score.benchmark, score.condition)]
    if score.condition == BASE:
        shown = (score.num_fewshot == 0, score.num_fewshot)
        return next((entry for entry in own if (is_bare(entry), entry["num_fewshot"]) == shown), None)
    own = [entry for entry in own if is_bare(entry)]
    if score.step is not None:
        return next((entry for entry in own if entry["step"] == score.step), None)
    if score.which == "best":
        return max(own, key=lambda entry: primary(entry)["rate"], default=None)
    return max(own, key=lambda entry: entry["step"], default=None)
