"""Several sampled answers to one question: what they are worth on average, and the best of some."""

from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

from lm_eval_tasks.scoring.metrics import MEAN, Metric, Metrics, verdicts_of


def best_of(values: Sequence[float], k: int) -> float:
    """The expected best of k answers: without bias, from n of them.

    The mean of the maximum over all subsets of k. Of verdicts with c right ones it is
    `1 - C(n - c, k) / C(n, k)`, which is `pass@k` (Chen et al. 2021, https://arxiv.org/abs/2107.03374).

    Args:
        values: `[n]`, n at least k.
        k: Answers that are tried; 1: the mean.
    """
    ordered = sorted(values)
    # With `place` others below it, a value is the highest of C(place, k - 1) subsets.
    return sum(value * comb(place, k - 1) for place, value in enumerate(ordered)) / comb(len(ordered), k)


def tried(n: int) -> list[int]:
    """The k of `pass@k` that n answers allow: 2, 4, 8, ... and n."""
    powers = [2**power for power in range(1, n.bit_length()) if 2**power < n]
    return [*powers, n]


def repeated_metrics(n: int) -> dict[str, Metric]:
    """The metrics that n answers to a question add: `avg@n`, and `pass@k` for some k up to n."""
    return {f"avg@{n}": MEAN} | {f"pass@{k}": MEAN for k in tried(n)}


def over_answers(answers: Sequence[Metrics], metrics: Mapping[str, Metric]) -> Metrics:
    """One question's value of every metric, from those of its n answers, 2 or more.

    A plain mean is that over answers, and pooled verdicts are pooled over answers as well.

    Args:
        answers: `[n]`: every metric of each answer.
        metrics: The primary one first, a verdict or a score.
    """
    found = {name: _joined([one[name] for one in answers], metrics[name]) for name in answers[0]}
    primary, n = next(iter(metrics)), len(answers)
    values = [float(one[primary]) for one in answers]
    return found | {f"avg@{n}": best_of(values, 1)} | {f"pass@{k}": best_of(values, k) for k in tried(n)}


def _joined(values: Sequence[Any], metric: Metric) -> Any:
    if metric.over_answers is not None:
        return metric.over_answers(values)
    if metric.aggregation is None:
        known = [float(value) for value in values if value is not None]
        return sum(known) / len(known) if known else None
    return verdicts_of(values) or None
