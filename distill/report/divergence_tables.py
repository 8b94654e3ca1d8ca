"""The tables of the held-out divergence: by step, and what changed with its uncertainty."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from distill.evaluation.divergence import Divergence
from distill.report.collect import TrainingRun
from distill.report.entries import baseline_of, in_order
from distill.report.labels import MINUS, MISSING, condition_name, table
from distill.statistics.intervals import Interval, bootstrap_interval, excludes_zero

CHANGES_NOTE = (
    "Differences of the mean over the same rows, below 0 where the one named first is nearer to the teacher. "
    "Intervals: 95%, paired bootstrap over rows, where 10 rows or more differ; bold where that excludes 0."
)


@dataclass(frozen=True, slots=True)
class Change:
    """Two measurements on the same held-out rows.

    Attributes:
        value: Mean of the second minus mean of the first, in nats per answer token.
        interval: Its 95% interval by the paired bootstrap over rows; None where rows are not known, are not
            the same, or fewer than 10 of them differ.
        rows: How many there are; 0 where they are not known.
    """

    value: float
    interval: Interval | None
    rows: int


def change(first: Divergence, first_step: int, second: Divergence, second_step: int) -> Change:
    """What a measurement differs from another by.

    Raises:
        KeyError: a step was not measured.
    """
    value = second.means[second_step] - first.means[first_step]
    if first.rows != second.rows or first_step not in first.sums or second_step not in second.sums:
        return Change(value, None, 0)
    tokens = [float(count) for _, count in first.rows]
    interval = bootstrap_interval(first.sums[first_step], second.sums[second_step], tokens)
    return Change(value, interval, len(tokens))


def divergence_tables(runs: Sequence[TrainingRun], benchmark: str) -> list[str]:
    """Divergence from the teacher by step, and its changes; nothing where it was not measured.

    Step 0 is the base model.
    """
    measured = {run.condition: run for run in runs if run.benchmark == benchmark and run.divergence.means}
    kinds = in_order((run.condition, run.kind) for run in measured.values())
    if not measured:
        return []
    own = [measured[name].divergence.means for name in kinds]
    rows = []
    for step in sorted({step for means in own for step in means}):
        cells = [f"{means[step]:.4f}" if step in means else MISSING for means in own]
        rows.append([f"{step} (base model)" if step == 0 else str(step), *cells])
    parts = [table(["Step", *(condition_name(*one) for one in kinds.items())], rows)]
    if lines := [_line(name, found) for name, found in _changes(measured, baseline_of(kinds)) if found.rows]:
        header = ["Comparison", "Rows", "Difference (nats per token)", "95% interval"]
        parts += [table(header, lines), CHANGES_NOTE]
    return parts


def _changes(measured: dict[str, TrainingRun], baseline: str | None) -> Iterator[tuple[str, Change]]:
    """Each condition's last step against the base model, and against SFT at the last step that both have."""
    for name, run in measured.items():
        own = run.divergence
        last = max(own.means)
        if last and 0 in own.means:
            yield f"{name} step {last} against the base model", change(own, 0, own, last)
        rival = measured[baseline].divergence if baseline and name != baseline else None
        both = max((step for step in own.means if step and rival and step in rival.means), default=0)
        if rival and both:
            yield f"{name} against {baseline}, step {both}", change(rival, both, own, both)


def _line(name: str, found: Change) -> list[str]:
    value = _signed(found.value)
    bounds = f"[{_signed(found.interval[0])}, {_signed(found.interval[1])}]" if found.interval else MISSING
    return [name, str(found.rows), f"**{value}**" if excludes_zero(found.interval) else value, bounds]


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", MINUS)
