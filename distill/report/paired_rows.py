"""Two conditions' values of one metric on the same rows -> what may be said of their difference.

A value is a verdict (true or false), a score from 0 to 1, or a list of verdicts, which are pooled over rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from distill.statistics.paired import (
    GapClosed,
    Interval,
    Paired,
    compare,
    difference_interval,
    gap_closed,
    mcnemar,
)

LEVEL = 0.05
"""A gap whose paired test gives no smaller p is not divided by."""

Values = Sequence[Any]


def compare_values(first: Values, second: Values) -> Paired:
    """Difference, interval and test: McNemar's of verdicts, else the sign test of the rows' values.

    Both ask whether the rows that differ favour one side more often than a coin would. Where values are no
    verdicts, `only_first` counts the rows on which the first is higher, and nothing is detectable by design.

    Raises:
        ValueError: no rows, or unequal numbers of them.
    """
    if _are_verdicts(first) and _are_verdicts(second):
        return compare(list(map(bool, first)), list(map(bool, second)))
    if len(first) != len(second) or not first:
        raise ValueError(f"paired rows are needed, not {len(first)} and {len(second)}.")
    one, other, sizes = list(map(_sum, first)), list(map(_sum, second)), list(map(_size, first))
    higher = sum(a > b for a, b in zip(one, other, strict=True))
    lower = sum(a < b for a, b in zip(one, other, strict=True))
    return Paired(
        n=len(one),
        difference=(sum(other) - sum(one)) / sum(sizes),
        interval=difference_interval(one, other, sizes),
        only_first=higher,
        only_second=lower,
        p=mcnemar(higher, lower),
        detectable=None,
    )


def values_interval(first: Values, second: Values) -> Interval:
    """95% interval of the difference; whole rows are drawn, so that the verdicts of one stay together."""
    return difference_interval(list(map(_sum, first)), list(map(_sum, second)), list(map(_size, first)))


def gap_is_shown(bare: Values, prompted: Values, interval: Interval) -> bool:
    """Whether there is a gap to close: its interval is above 0, and its paired test says so too.

    A handful of rows that all differ one way has an interval above 0, and may still be chance.
    """
    return interval[0] > 0 and compare_values(bare, prompted).p < LEVEL


def share_closed(bare: Values, prompted: Values, student: Values) -> GapClosed:
    """The share of the gap that the student closed; None of a gap that is not shown."""
    gap = values_interval(bare, prompted)
    if not gap_is_shown(bare, prompted, gap):
        return GapClosed(None, None, gap)
    return replace(gap_closed(*(list(map(_sum, values)) for values in (bare, prompted, student))), gap=gap)


def _are_verdicts(values: Values) -> bool:
    return all(not isinstance(value, list) and value in (0, 1) for value in values)


def _sum(value: Any) -> float:
    return float(sum(value)) if isinstance(value, list) else float(value)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1
