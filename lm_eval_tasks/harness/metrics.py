"""A source's metrics as the harness aggregates them, with their standard errors.

The harness has no place for a task's own standard error: it knows that of its own `mean`, and prints `N/A`
beside any other aggregation. See `Pooled`.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from lm_eval.api.metrics import mean

from lm_eval_tasks.scoring.diagnostics import TRUNCATED_WARNING_RATE
from lm_eval_tasks.scoring.metrics import Metric
from lm_eval_tasks.scoring.names import ON_COMPLETED

logger = logging.getLogger(__name__)

_REMEDIES = {
    "truncated": f"raise --max_new_tokens (of lm_eval: --gen_kwargs max_gen_toks=N), and see {ON_COMPLETED}",
    "unclosed_think": "raise max_gen_toks, or check that enable_thinking is off",
    "scorer_error": "see the errors above; these answers count as wrong",
}


class Pooled:
    """An aggregation that the harness prints with its own standard error.

    To the harness it equals `mean`, so that it takes `mean_stderr` of the same list right after it has
    aggregated it. That list, which nothing reads afterwards, is left with numbers of this very mean and
    standard error: half of them as far above the mean as the other half below it.
    """

    def __init__(self, metric: Metric) -> None:
        """Aggregate as `metric` says, which has a standard error."""
        self._metric = metric

    def __call__(self, items: list[Any]) -> Any:
        """The aggregate; `items` is used up."""
        assert self._metric.aggregation and self._metric.stderr
        value, stderr = self._metric.aggregation(items), self._metric.stderr(items)
        n = len(items)
        if n > 1:
            away = stderr * (n - 1 + n % 2) ** 0.5
            items[:] = [value + away, value - away] * (n // 2) + [value] * (n % 2)
        return value

    def __eq__(self, other: object) -> bool:
        """Whether the harness asks if this is its mean."""
        return other is mean

    def __hash__(self) -> int:
        """The mean's: it is looked up in a dictionary."""
        return hash(mean)


def aggregations(
    metrics: Mapping[str, Metric], *, task: str, always: Collection[str] = ()
) -> dict[str, Callable[..., Any]]:
    """The aggregation of every metric; those of failure rates warn when they are high.

    Args:
        metrics: The metrics.
        task: For the warnings.
        always: Failure rates that warn of a single failure.
    """
    found: dict[str, Callable[..., Any]] = {}
    for name, metric in metrics.items():
        found[name] = Pooled(metric) if metric.stderr else metric.aggregation or mean
    for name in _REMEDIES.keys() & found.keys():
        limit = 0.0 if name in always else TRUNCATED_WARNING_RATE
        found[name] = partial(warn_when_high, name, task, _REMEDIES[name], found[name], limit=limit)
    return found


def warn_when_high(
    name: str,
    task: str,
    remedy: str,
    aggregation: Callable[..., Any],
    items: Sequence[Any],
    *,
    limit: float = TRUNCATED_WARNING_RATE,
) -> Any:
    """Aggregate a failure rate; one above `limit` is warned about, with the number and the remedy."""
    rate = aggregation(items)
    if isinstance(rate, float) and rate > limit:
        count = sum(bool(item) for item in items)
        told = "%s: %s is %.1f%% (%d of %d answers): %s"
        logger.warning(told, task, name, 100 * rate, count, len(items), remedy)
    return rate
