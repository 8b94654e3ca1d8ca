"""Uncertainty of an accuracy: Wilson intervals and standard errors clustered by prompt."""

import math
from collections.abc import Iterable
from statistics import NormalDist


def wilson_interval(accuracy: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a proportion.

    Args:
        accuracy: The observed share, 0 to 1.
        n: Number of independent observations; not whole where a design effect shrank it.
        confidence: Two-sided coverage.

    Returns:
        Lower and upper bound, within 0 and 1; (0, 1) without observations.

    Source: Wilson (1927), https://doi.org/10.1080/01621459.1927.10502953.
    """
    if n <= 0:
        return (0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    scale = 1 + z * z / n
    center = (accuracy + z * z / (2 * n)) / scale
    half = z * math.sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n)) / scale
    return (max(0.0, center - half), min(1.0, center + half))


def clustered_stderr(clusters: Iterable[tuple[float, int]]) -> float | None:
    """Standard error of a pooled mean whose observations come in dependent groups.

    Args:
        clusters: For each cluster (a prompt) the sum and the number of its observations (its instructions).

    Returns:
        The cluster-robust standard error with the G / (G - 1) correction; None below two clusters. With one
        observation a cluster it is the ordinary standard error of the mean.

    Source: Miller (2024), "Adding Error Bars to Evals", https://arxiv.org/abs/2411.00640, equation 4.
    """
    sums = list(clusters)
    total = sum(n for _, n in sums)
    if len(sums) < 2 or total == 0:
        return None
    mean = math.fsum(s for s, _ in sums) / total
    spread = math.fsum((s - mean * n) ** 2 for s, n in sums)
    return math.sqrt(spread * len(sums) / (len(sums) - 1)) / total


def effective_n(accuracy: float, stderr: float | None, clusters: int, n: int) -> float:
    """The number of independent observations that would be as telling as `n` clustered ones.

    That is `n` over the design effect, the ratio of the clustered to the ordinary variance. Where the
    standard error says nothing (all right, all wrong, one cluster), it is the number of clusters: the
    cautious choice. Never more than `n`.
    """
    if clusters >= n or not stderr:
        return float(min(clusters, n))
    # The same small-sample correction on both sides.
    ordinary_variance = accuracy * (1 - accuracy) / n * clusters / (clusters - 1)
    return min(float(n), n * ordinary_variance / stderr**2)
