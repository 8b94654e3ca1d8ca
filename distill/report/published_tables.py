"""Published scores beside what a run reproduced."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.report.collect import Collection
from distill.report.entries import (
    BASELINE,
    Entry,
    is_bare,
    metric_column,
    primary,
    task_title,
    title_of,
)
from distill.report.labels import MINUS, MISSING, percent, points, subject_name, table, with_interval
from distill.report.published import BASE, ReportedScore, read_reported

NOTE = (
    "Reproduced: counts and 95% interval. `best` is chosen by its own score among the evaluated steps; where "
    "the source states no step, the last one evaluated stands beside it."
)


def reported_tables(run_dirs: Sequence[Path], collection: Collection) -> list[str]:
    """For each run whose file has a `reported:` block: its source, its scores, and their differences.

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
            if differences := _differences(reported.scores, own):
                found.append(differences)
    return [*found, NOTE] if found else []


def _table(scores: Sequence[ReportedScore], entries: Sequence[Entry]) -> str:
    header = ["Dataset", "Condition", "Reported at", "Metric", "Reported", "Reproduced at", "Reproduced"]
    header += ["Difference", "Reported within the interval"]
    rows = []
    for score in scores:
        row = [_title(score, entries), score.condition, _place(score), _metric_title(score)]
        row.append(percent(score.score))
        entry = _reproduced(score, entries)
        metric = _metric(score, entry)
        if entry is None or metric is None:
            rows.append([*row, *[MISSING] * 4])
            continue
        row += [subject_name(entry), with_interval(metric), points(metric["rate"] - score.score)]
        rows.append([*row, _within(score.score, metric.get("interval"))])
    return table(header, rows)


def _differences(scores: Sequence[ReportedScore], entries: Sequence[Entry]) -> str | None:
    """What the published scores come to: the gap, and each condition against the baseline."""
    of = {(score.benchmark, score.metric, score.condition, score.which): score for score in scores}
    rows = []
    for score in scores:
        against = (BASE, "0-shot") if score.condition == BASE else (BASELINE, score.which)
        other = of.get((score.benchmark, score.metric, *against))
        if other is None or other is score:
            continue
        what = f"{score.which} {MINUS} 0-shot"
        if score.condition != BASE:
            what = f"{score.condition} {MINUS} {BASELINE}, {_place(score)}"
        row = [_title(score, entries), what, _metric_title(score), points(score.score - other.score)]
        found = [_metric(one, _reproduced(one, entries)) for one in (score, other)]
        rates = [metric["rate"] for metric in found if metric]
        rows.append([*row, points(rates[0] - rates[1]) if len(rates) == 2 else MISSING])
    return table(["Dataset", "Difference", "Metric", "Reported", "Reproduced"], rows) if rows else None


def _title(score: ReportedScore, entries: Sequence[Entry]) -> str:
    titles = {entry["benchmark"]: title_of(entry) for entry in entries}
    return titles.get(score.benchmark) or task_title(score.benchmark)


def _metric_title(score: ReportedScore) -> str:
    return "primary" if score.metric is None else metric_column({"benchmark": score.benchmark}, score.metric)


def _metric(score: ReportedScore, entry: Entry | None) -> Mapping[str, Any] | None:
    """What answers to a published score; None where the entry is missing or lacks the metric."""
    if entry is None:
        return None
    return primary(entry) if score.metric is None else entry["metrics"].get(score.metric)


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
