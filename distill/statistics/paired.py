"""Two conditions' values of one metric on the same rows -> what may be said of their difference.

A value is a verdict (true or false), a score from 0 to 1, or a list of verdicts, which are pooled over rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distill.statistics.gap import GapClosed, bootstrap_share_interval, share_interval
from distill.statistics.intervals import Interval, bootstrap_interval, excludes_zero, score_interval
from distill.statistics.significance import LEVEL, mcnemar, minimum_detectable_effect

Values = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Paired:
    """Two conditions on the same rows.

    Attributes:
        n: Rows.
        difference: Rate of the second minus rate of the first.
        interval: Its 95% interval; None where rows are no verdicts and too few of them differ.
        only_first: Rows that only the first got right; of other values, rows on which it is higher.
        only_second: The same of the second.
        p: Two-sided exact test whether the rows that differ favour one side: McNemar's, or the sign test.
        verdicts: Whether every row is right or wrong.
    """

    n: int
    difference: float
    interval: Interval | None
    only_first: int
    only_second: int
    p: float
    verdicts: bool

    @property
    def shown(self) -> bool:
        """Whether the rows show a difference: the test says so, and the interval does not hold 0."""
        return self.p < LEVEL and excludes_zero(self.interval)

    @property
    def better(self) -> bool:
        """Whether the rows show that the second is better."""
        return self.shown and self.difference > 0

    def detectable(self, family: int) -> float | None:
        """Smallest true difference that a test would find with a power of 80%, one of `family` tests.

        The level is that of Holm's first step, 0.05 / `family`. None where nothing would be found, or where
        rows are no verdicts.
        """
        discordant = (self.only_first + self.only_second) / self.n
        return minimum_detectable_effect(self.n, discordant, alpha=LEVEL / family) if self.verdicts else None


def compare(first: Values, second: Values) -> Paired:
    """Difference, interval and test of two columns `[n]` of values, row by row.

    Raises:
        ValueError: no rows, or unequal numbers of them.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"paired rows are needed, not {len(first)} and {len(second)}.")
    one, other, sizes = list(map(_sum, first)), list(map(_sum, second)), list(map(_size, first))
    higher = sum(a > b for a, b in zip(one, other, strict=True))
    lower = sum(a < b for a, b in zip(one, other, strict=True))
    verdicts = _are_verdicts(first) and _are_verdicts(second)
    n = len(one)
    return Paired(
        n=n,
        difference=(sum(other) - sum(one)) / sum(sizes),
        interval=score_interval(n, higher, lower) if verdicts else bootstrap_interval(one, other, sizes),
        only_first=higher,
        only_second=lower,
        p=mcnemar(higher, lower),
        verdicts=verdicts,
    )


def gap_closed(bare: Values, prompted: Values, student: Values) -> GapClosed:
    """The share of the gap that the student closed; None of a gap that the rows do not show.

    A handful of rows that all differ one way may still be chance.

    Raises:
        ValueError: no rows, or unequal numbers of them.
    """
    gap = compare(bare, prompted)
    if not gap.better:
        return GapClosed(None, None, gap.interval)
    gain = compare(bare, student)
    columns = [list(map(_sum, values)) for values in (bare, prompted, student)]
    interval: Interval | None = None
    if gap.verdicts and gain.verdicts:
        interval = share_interval(*(list(map(bool, column)) for column in columns))
    elif gain.interval and compare(prompted, student).interval:
        interval = bootstrap_share_interval(*columns)
    return GapClosed(gain.difference / gap.difference, interval, gap.interval)


def _are_verdicts(values: Values) -> bool:
    return all(not isinstance(value, list) and value in (0, 1) for value in values)


def _sum(value: Any) -> float:
    return float(sum(value)) if isinstance(value, list) else float(value)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1
