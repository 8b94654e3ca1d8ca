"""Comparisons of conditions on the same rows: paired, because both answered the same questions.

Notation: `n` rows; a column holds one number per row, such as 1 for a right answer, or the number of a row's
instructions that were kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

DRAWS = 10_000
SEED = 42

Column = Sequence[float]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Paired:
    """Two conditions on the same rows.

    Attributes:
        n: Rows.
        difference: Rate of the second minus rate of the first.
        interval: Its 95% interval, by the paired bootstrap over rows.
        only_first: Rows that only the first got right.
        only_second: Rows that only the second got right.
        p: Two-sided exact McNemar test of the discordant rows.
        detectable: Smallest true difference that these rows would show, see `minimum_detectable_effect`.
    """

    n: int
    difference: float
    interval: Interval
    only_first: int
    only_second: int
    p: float
    detectable: float | None


@dataclass(frozen=True, slots=True)
class GapClosed:
    """The share of the ICL gap that a student closed without demonstrations.

    Attributes:
        share: (student 0-shot - base 0-shot) / (base k-shot - base 0-shot); None unless the gap's own
            interval is above 0: there would be no gap to close.
        interval: Its 95% interval.
        gap: The 95% interval of the ICL gap.
    """

    share: float | None
    interval: Interval | None
    gap: Interval


@dataclass(frozen=True, slots=True)
class SeedMean:
    """A quantity over training runs that differ in their seed.

    Attributes:
        n: Seeds.
        mean: Its mean.
        sd: Its standard deviation between seeds, with n - 1.
        interval: 95% interval of the mean, see `over_seeds`.
    """

    n: int
    mean: float
    sd: float
    interval: Interval


def over_seeds(values: Sequence[float]) -> SeedMean | None:
    """Mean and t-interval of one value per seed; None for fewer than two.

    The interval is mean -+ t(0.975, n - 1) * sd / sqrt(n): what another choice of seeds would change. The
    rows are the same for every seed, so it does not hold what other rows would change.
    """
    n = len(values)
    if n < 2:
        return None
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(student_t.ppf(0.975, n - 1)) * sd / n**0.5
    return SeedMean(n, mean, sd, (mean - half, mean + half))


def compare(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """Compare two conditions' verdicts on the same rows, in the same order.

    Raises:
        ValueError: no rows, or unequal numbers of them.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"paired rows are needed, not {len(first)} and {len(second)}.")
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    n = len(first)
    return Paired(
        n=n,
        difference=(only_second - only_first) / n,
        interval=difference_interval(first, second),
        only_first=only_first,
        only_second=only_second,
        p=mcnemar(only_first, only_second),
        detectable=minimum_detectable_effect(n, (only_first + only_second) / n),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """P-value of the exact two-sided McNemar test.

    Under the null hypothesis a discordant row is as likely to favour either side; rows on which both agree
    say nothing. Source: McNemar (1947), https://doi.org/10.1007/BF02295996.
    """
    discordant = only_first + only_second
    return float(binomtest(only_second, discordant).pvalue) if discordant else 1.0


def difference_interval(first: Column, second: Column, weights: Column | None = None) -> Interval:
    """95% interval of the difference of two rates over the same rows, second minus first.

    Args:
        first: Per row, how many verdicts were right.
        second: The same for the other condition.
        weights: Per row, how many verdicts there are; default: one.
    """
    sizes = [1.0] * len(first) if weights is None else weights
    totals = _resample([first, second, sizes])
    return _percentiles((totals[:, 1] - totals[:, 0]) / totals[:, 2])


def gap_closed(base: Column, few_shot: Column, student: Column) -> GapClosed:
    """The share of the gap from `base` to `few_shot` that `student` covers, over the same rows.

    A bootstrap draw without a gap has no share: it counts as infinitely far out on the side of the student's
    gain, so that an interval is never too narrow for its sake.
    """
    gap = difference_interval(base, few_shot)
    if gap[0] <= 0:
        return GapClosed(None, None, gap)
    totals = _resample([base, few_shot, student])
    gained, whole = totals[:, 2] - totals[:, 0], totals[:, 1] - totals[:, 0]
    shares = np.divide(gained, whole, out=np.copysign(np.inf, gained), where=whole > 0)
    share = (sum(student) - sum(base)) / (sum(few_shot) - sum(base))
    return GapClosed(share, _percentiles(shares), gap)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the given order.

    The chance of any false alarm among them stays below the level that they are compared with. Source: Holm
    (1979), https://www.jstor.org/stable/4615733.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def minimum_detectable_effect(
    n: int, discordant: float, *, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """The smallest true difference that a paired test on `n` rows finds with the given power.

    Args:
        n: Rows.
        discordant: Share of rows that only one of the two conditions gets right.
        alpha: Two-sided level.
        power: Chance to find it.

    Returns:
        The difference of rates; None if not even a difference of 1 would be found, or no row is discordant.

    A difference cannot exceed the share of discordant rows; where it would, that share is taken to be as
    large as the difference. Source: Connor (1987), https://doi.org/10.2307/2531961.
    """
    if not discordant:
        return None
    z_alpha, z_power = norm.ppf(1 - alpha / 2), norm.ppf(power)

    def excess(effect: float) -> float:
        share = max(discordant, effect)
        return float(effect * n**0.5 - z_alpha * share**0.5 - z_power * (share - effect**2) ** 0.5)

    return float(brentq(excess, 0.0, 1.0)) if excess(1.0) > 0 else None


def _resample(columns: Sequence[Column]) -> NDArray[np.float64]:
    """Sums of the columns over rows drawn with replacement, `[draws, columns]`.

    Equal rows are drawn together: how often each kind comes up is multinomial.
    """
    rows = np.asarray(columns, dtype=np.float64).T
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    drawn = np.random.default_rng(SEED).multinomial(len(rows), counts / len(rows), size=DRAWS)
    return np.asarray(drawn @ kinds)


def _percentiles(values: NDArray[np.float64]) -> Interval:
    # No interpolation: it would turn an infinite share into no number.
    low, high = np.percentile(values, [2.5, 97.5], method="inverted_cdf")
    return float(low), float(high)
