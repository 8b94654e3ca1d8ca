"""95% intervals of what two conditions differ by on the same rows.

A row with one verdict on either side has the score interval, which holds with few rows that differ and with
none. Where a row has several verdicts, or a score, rows are drawn with replacement (the bootstrap), and an
interval is only given where enough rows differ for that to mean something.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

DRAWS = 10_000
SEED = 42
FEWEST = 10
"""Rows that must differ before they are drawn from: of fewer, most draws look alike."""

Z = float(norm.ppf(0.975))

Column = Sequence[float]
Interval = tuple[float, float]


def score_interval(n: int, only_first: int, only_second: int, *, z: float = Z) -> Interval:
    """The score interval of a difference of two proportions on the same rows, second minus first.

    Args:
        n: Rows; at least 1.
        only_first: Rows that only the first got right.
        only_second: Rows that only the second got right.
        z: Standard normal quantile of the level; 1.96: 95%.

    Returns:
        All differences that the score test does not reject; where no row differs, -+ z * z / (n + z * z).

    Source: Tango (1998), https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B.
    """
    observed = (only_second - only_first) / n

    def score(difference: float) -> float:
        """Observed minus assumed difference, in standard errors under the assumed one."""
        free = (2 * n + only_first - only_second) * difference - only_first - only_second
        fixed = -only_first * difference * (1 - difference)
        # The share that only the first gets right, most likely under the assumed difference.
        share = ((max(free**2 - 8 * n * fixed, 0.0)) ** 0.5 - free) / (4 * n)
        variance = (2 * share + difference * (1 - difference)) / n
        return float((observed - difference) / variance**0.5) if variance > 0 else 0.0

    edge = 1 - 1e-12  # at -1 and 1 nothing varies
    low = brentq(lambda value: score(value) - z, -edge, observed) if observed > -edge else -1.0
    high = brentq(lambda value: score(value) + z, observed, edge) if observed < edge else 1.0
    return float(low), float(high)


def bootstrap_interval(first: Column, second: Column, sizes: Column) -> Interval | None:
    """The paired bootstrap's interval of a difference of two pooled rates, second minus first.

    Args:
        first: `[n]`: per row, the sum of what the first got.
        second: `[n]`: the same for the other condition.
        sizes: `[n]`: per row, how many verdicts, tokens or the like there are.

    Returns:
        Of (sum of second - sum of first) / sum of sizes over rows drawn with replacement, 10,000 times, the
        2.5th and the 97.5th percentile; None where fewer than 10 rows differ.
    """
    if sum(a != b for a, b in zip(first, second, strict=True)) < FEWEST:
        return None
    totals = resample([first, second, sizes])
    return percentiles((totals[:, 1] - totals[:, 0]) / totals[:, 2])


def excludes_zero(interval: Interval | None) -> bool:
    """Whether a difference has an interval, and that does not hold 0."""
    return interval is not None and (interval[0] > 0 or interval[1] < 0)


def resample(columns: Sequence[Column]) -> NDArray[np.float64]:
    """Sums of the columns over rows drawn with replacement, `[draws, columns]`; the same at every call.

    Equal rows are drawn together: how often each kind comes up is multinomial.
    """
    rows = np.asarray(columns, dtype=np.float64).T
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    drawn = np.random.default_rng(SEED).multinomial(len(rows), counts / len(rows), size=DRAWS)
    return np.asarray(drawn @ kinds)


def percentiles(values: NDArray[np.float64]) -> Interval:
    """The 2.5th and the 97.5th percentile of `values`, `[draws]`."""
    # No interpolation: it would turn an infinite share into no number.
    low, high = np.percentile(values, [2.5, 97.5], method="inverted_cdf")
    return float(low), float(high)
