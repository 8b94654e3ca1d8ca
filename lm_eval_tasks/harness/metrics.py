"""A source's metrics as the harness aggregates them.

Beside a metric that is no plain mean stands a second one, named with `_stderr`: the harness prints it as the
first one's standard error, which by itself it computes for plain means only.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from lm_eval.api.metrics import mean

from lm_eval_tasks.scoring.diagnostics import TRUNCATED_WARNING_RATE
from lm_eval_tasks.scoring.metrics import Metric, Metrics

logger = logging.getLogger(__name__)

_REMEDIES = {
    "truncated": "raise --max_new_tokens (of lm_eval: --gen_kwargs max_gen_toks=N), and see {completed}",
    "unclosed_think": "raise max_gen_toks, or check that enable_thinking is off",
    "scorer_error": "see the errors above; these answers count as wrong",
}


def with_stderr(values: Metrics, metrics: Mapping[str, Metric]) -> Metrics:
    """Repeat the values of what is no plain mean under the name of its standard error."""
    pooled = {f"{name}_stderr": value for name, value in values.items() if metrics[name].stderr}
    return values | pooled


def aggregations(
    metrics: Mapping[str, Metric], *, task: str, always: Collection[str] = ()
) -> dict[str, Callable[..., Any]]:
    """The aggregation of every metric and standard error; those of failure rates warn when they are high.

    Args:
        metrics: The metrics.
        task: For the warnings.
        always: Failure rates that warn of a single failure.
    """
    found: dict[str, Callable[..., Any]] = {}
    for name, metric in metrics.items():
        # The harness knows the standard error of its own `mean`.
        found[name] = metric.aggregation or mean
        if metric.stderr:
            found[f"{name}_stderr"] = metric.stderr
    # The accuracy of the answers that were not cut; a task has one.
    completed = next(
        (name for name in reversed(list(metrics)) if name.startswith("completed_")), "the answers"
    )
    for name in _REMEDIES.keys() & found.keys():
        remedy = _REMEDIES[name].format(completed=completed)
        limit = 0.0 if name in always else TRUNCATED_WARNING_RATE
        found[name] = partial(warn_when_high, name, task, remedy, found[name], limit=limit)
    return found


def directions(metrics: Mapping[str, Metric]) -> dict[str, bool]:
    """Whether more is better, of every metric and standard error."""
    errors = {f"{name}_stderr": False for name, metric in metrics.items() if metric.stderr}
    return {name: metric.higher_is_better for name, metric in metrics.items()} | errors


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
