"""Multi-IF's metrics of one answer: IFEval's, and the same numbers of each turn."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.metrics import (
    IFEVAL_METRICS,
    LEVELS,
    by_level,
    mean_of_levels,
    mean_of_levels_stderr,
    score_ifeval,
)
from lm_eval_tasks.benchmarks.multi_if.constraints import judged_as
from lm_eval_tasks.benchmarks.multi_if.rows import TURNS
from lm_eval_tasks.scoring.metrics import POOLED, Metric, Metrics, pooled_mean, verdicts_of
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances


def score_turn(doc: Mapping[str, Any], response: str | None, at: Circumstances = NOTHING_SPECIAL) -> Metrics:
    """The values of `MULTI_IF_METRICS` for one answer; those of other turns than its own are None."""
    found = score_ifeval({**doc, "instruction_id_list": judged_as(doc["instruction_id_list"])}, response, at)
    own: Metrics = {f"turn_{doc['turn']}_{level}": found[level] for level in LEVELS}
    own[f"turn_{doc['turn']}_overall"] = [found[level] for level in LEVELS]
    return {**dict.fromkeys(_TURN_METRICS), **own, **found}


def levels_joined(values: Sequence[Any]) -> list[list[bool]] | None:
    """Several answers to a turn as one: all their verdicts, level by level."""
    return [verdicts_of(level) for level in by_level(values)] or None


_OVERALL = Metric(aggregation=mean_of_levels, stderr=mean_of_levels_stderr, over_answers=levels_joined)
"""The mean of a turn's four accuracies, as Multi-IF reports it; None: an answer to another turn."""

_TURN_METRICS: Mapping[str, Metric] = {
    f"turn_{turn}_{name}": metric
    for turn in TURNS
    for name, metric in {**dict.fromkeys(LEVELS, POOLED), "overall": _OVERALL}.items()
}
# The turns of a dialogue are not independent, and an aggregation does not see which belong together: the
# harness prints no standard error where they are pooled.
_POOLED_TURNS = {
    name: Metric(aggregation=metric.aggregation or pooled_mean, over_answers=metric.over_answers)
    for name, metric in IFEVAL_METRICS.items()
    if name in (*LEVELS, "strict_acc_mean")
}
MULTI_IF_METRICS: Mapping[str, Metric] = {**IFEVAL_METRICS, **_POOLED_TURNS, **_TURN_METRICS}
