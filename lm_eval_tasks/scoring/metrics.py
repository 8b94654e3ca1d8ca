"""How the values of a metric become one number, with its standard error.

Every answer, also one that breaks a scorer, gives a value to every metric, so that no row leaves a
denominator. None means unknown or not applicable.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval_tasks.scoring.intervals import clustered_stderr
from lm_eval_tasks.scoring.names import ON_COMPLETED

Metrics = dict[str, Any]
"""The values that one answer gives, by metric."""

UNKNOWN = "N/A"
"""The harness's own word where there is no number."""


def pooled_mean(items: Sequence[Any]) -> float | str:
    """The mean over all verdicts of all prompts; a prompt has one verdict, a list of them, or None."""
    clusters = clusters_of(items)
    total = sum(n for _, n in clusters)
    return sum(right for right, _ in clusters) / total if total else UNKNOWN


def pooled_stderr(items: Sequence[Any]) -> float | str:
    """The standard error of `pooled_mean`, clustered by prompt."""
    stderr = clustered_stderr(clusters_of(items))
    return UNKNOWN if stderr is None else stderr


def clusters_of(items: Sequence[Any]) -> list[tuple[float, int]]:
    """Per prompt that has any: the sum and the number of its verdicts."""
    known = [verdicts_of([item]) for item in items if item is not None]
    return [(sum(verdicts), len(verdicts)) for verdicts in known]


def verdicts_of(items: Sequence[Any]) -> list[Any]:
    """All verdicts of all prompts, one after the other."""
    known = [item for item in items if item is not None]
    return [verdict for item in known for verdict in (item if isinstance(item, list) else [item])]


def share(count: int, total: int) -> dict[str, Any]:
    """So many of so many, and their rate; None of nothing."""
    return {"count": count, "total": total, "rate": count / total if total else None}


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric's values become one number.

    Attributes:
        higher_is_better: Its direction.
        aggregation: Of all answers' values; None: the plain mean, whose standard error the harness knows.
        stderr: Of the same values, where every answer has one; None of the plain mean, and where it is
            unknown of some answers.
        over_answers: One value of those of several answers to a question; None: their mean, and of an
            aggregation of its own all their verdicts.
    """

    higher_is_better: bool = True
    aggregation: Callable[[Sequence[Any]], Any] | None = None
    stderr: Callable[[Sequence[Any]], Any] | None = None
    over_answers: Callable[[Sequence[Any]], Any] | None = None


MEAN = Metric()
FAILURE = Metric(higher_is_better=False)
POOLED = Metric(aggregation=pooled_mean, stderr=pooled_stderr)

COMMON_METRICS: Mapping[str, Metric] = {
    ON_COMPLETED: Metric(aggregation=pooled_mean),
    "scorer_error": FAILURE,
    "response_empty": FAILURE,
    "unclosed_think": FAILURE,
    "response_looping": FAILURE,
    "truncated": Metric(higher_is_better=False, aggregation=pooled_mean),
}
"""What every scorer tells beside its scores: see `diagnostics.Flags`."""
