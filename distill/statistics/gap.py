"""The share of a prompt's gain that a student has without the prompt, over the same rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from distill.statistics.intervals import Column, Interval, Z, percentiles, resample

_ADDED = 0.5
"""Rows added of each kind on which the three models differ; makes one each way for every two of them."""


@dataclass(frozen=True, slots=True)
class GapClosed:
    """The share of the ICL gap that a student closed without demonstrations.

    Attributes:
        share: (student 0-shot - base 0-shot) / (base k-shot - base 0-shot); None unless the gap's own test
            and interval say that there is a gap to close.
        interval: Its 95% interval; None as well where too few rows differ for one.
        gap: The 95% interval of the ICL gap, likewise.
    """

    share: float | None
    interval: Interval | None
    gap: Interval | None


def share_interval(base: Sequence[bool], few_shot: Sequence[bool], student: Sequence[bool]) -> Interval:
    """95% interval of the share of the gap from `base` to `few_shot` that `student` covers.

    Each share r stands for a contrast of the rows, (student - base) - r (few_shot - base), whose mean is 0
    at the true one; the interval holds every r whose mean is within 1.96 standard errors of 0 (Fieller).
    Where student and few-shot model agree on every row, that contrast does not vary at r = 1. So half a row
    is added of each of the six kinds on which not all three agree: for every two of them one row each way
    (Bonett and Price). The share itself is not moved by them.

    Args:
        base: `[n]` verdicts.
        few_shot: `[n]` verdicts on the same rows.
        student: `[n]` verdicts on the same rows.

    Returns:
        Lower and upper end; (-inf, inf) where the added rows leave no gap that differs from 0, which never
        happens where the exact McNemar test of the gap has p < 0.05.

    Sources: Fieller (1954), https://doi.org/10.1111/j.2517-6161.1954.tb00159.x; Bonett and Price (2012),
    https://doi.org/10.3102/1076998611411915. Coverage by simulation: docs/statistics.md.
    """
    found: Counter[tuple[bool, ...]] = Counter(zip(base, few_shot, student, strict=True))
    kinds = list(product((False, True), repeat=3))
    counts = np.array([found[kind] + _ADDED * (len(set(kind)) > 1) for kind in kinds])
    signs = np.array(kinds, dtype=np.float64)
    gap, gain = signs[:, 1] - signs[:, 0], signs[:, 2] - signs[:, 0]
    weights, n = counts / counts.sum(), counts.sum()
    means = np.array([weights @ gap, weights @ gain])
    covariance = np.cov([gap, gain], aweights=weights, bias=True) / n
    square, product_, rest = (
        means[i] * means[j] - Z**2 * covariance[i, j] for i, j in ((0, 0), (0, 1), (1, 1))
    )
    if square <= 0:
        return -np.inf, np.inf
    half = max(product_**2 - square * rest, 0.0) ** 0.5
    return float((product_ - half) / square), float((product_ + half) / square)


def bootstrap_share_interval(base: Column, few_shot: Column, student: Column) -> Interval:
    """The same of rows with several verdicts or a score: percentiles of the share in 10,000 draws of rows.

    A draw without a gap has no share: it counts as infinitely far out on the side of the student's gain, so
    that an interval is never too narrow for its sake.
    """
    totals = resample([base, few_shot, student])
    gained, whole = totals[:, 2] - totals[:, 0], totals[:, 1] - totals[:, 0]
    return percentiles(np.divide(gained, whole, out=np.copysign(np.inf, gained), where=whole > 0))
