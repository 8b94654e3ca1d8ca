"""Multi-IF's metrics of one answer: IFEval's, and the same numbers of each turn."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.metrics import IFEVAL_METRICS, score_ifeval
from lm_eval_tasks.benchmarks.multi_if.constraints import judged_as
from lm_eval_tasks.benchmarks.multi_if.rows import TURNS
from lm_eval_tasks.scoring.metrics import POOLED, Metric, Metrics, pooled_mean, pooled_stderr
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances

LEVELS = (
    "prompt_level_strict_acc",
    "inst_level_strict_acc",
    "prompt_level_loose_acc",
    "inst_level_loose_acc",
)


def score_turn(doc: Mapping[str, Any], response: str | None, at: Circumstances = NOTHING_SPECIAL) -> Metrics:
    """The values of `MULTI_IF_METRICS` for one answer; those of other turns than its own are None."""
    found = score_ifeval({**doc, "instruction_id_list": judged_as(doc["instruction_id_list"])}, response, at)
    own: Metrics = {f"turn_{doc['turn']}_{level}": found[level] for level in LEVELS}
    own[f"turn_{doc['turn']}_overall"] = [found[level] for level in LEVELS]
    return {**dict.fromkeys(_TURN_METRICS), **own, **found}


def mean_of_four(items: Sequence[Any]) -> float | str:
    """The mean of a turn's four accuracies, as Multi-IF reports it; None: an answer to another turn."""
    means = [pooled_mean(values) for values in _by_level(items)]
    return "N/A" if "N/A" in means else sum(map(float, means)) / len(means)


def mean_of_four_stderr(items: Sequence[Any]) -> float | str:
    """The standard error of `mean_of_four`, linearised: the four shares of a dialogue are summed."""
    shares: list[float] = []
    for values in _by_level(items):
        verdicts = [_listed(value) for value in values]
        total = sum(map(len, verdicts))
        if not total:
            return "N/A"
        mean, size = sum(map(sum, verdicts)) / total, total / len(verdicts)
        added = [(sum(each) - mean * len(each)) / size / len(LEVELS) for each in verdicts]
        shares = [one + other for one, other in zip(shares or [0.0] * len(added), added, strict=True)]
    return pooled_stderr(shares)


def four_over_answers(values: Sequence[Any]) -> list[list[bool]] | None:
    """Several answers to a turn as one: all their verdicts, level by level."""
    levels = [[_listed(value) for value in level] for level in _by_level(values)]
    return [[one for verdicts in level for one in verdicts] for level in levels] if levels[0] else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _by_level(items: Sequence[Any]) -> list[list[Any]]:
    own = [item for item in items if item is not None]
    return [[item[place] for item in own] for place in range(len(LEVELS))]


_OVERALL = Metric(aggregation=mean_of_four, stderr=mean_of_four_stderr, over_answers=four_over_answers)
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
