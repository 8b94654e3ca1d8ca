"""Means over training runs that differ in their seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from distill.statistics.intervals import Interval


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
