"""IFEval's metrics of one answer: the four numbers, their single one, and verdicts by instruction type."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lm_eval_tasks.benchmarks.definition import Score
from lm_eval_tasks.benchmarks.ifeval.scorer import IFEvalVerdict, check
from lm_eval_tasks.scoring import diagnostics
from lm_eval_tasks.scoring.metrics import (
    COMMON_METRICS,
    MEAN,
    POOLED,
    UNKNOWN,
    Metric,
    Metrics,
    clusters_of,
    pooled_mean,
    pooled_stderr,
)
from lm_eval_tasks.scoring.names import ON_COMPLETED
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances, guarded

logger = logging.getLogger(__name__)

LEVELS = (
    "prompt_level_strict_acc",
    "inst_level_strict_acc",
    "prompt_level_loose_acc",
    "inst_level_loose_acc",
)
"""IFEval's four accuracies."""


def score_ifeval(
    doc: Mapping[str, Any], response: str | None, at: Circumstances = NOTHING_SPECIAL
) -> Metrics:
    """The values of `IFEVAL_METRICS` for one answer; an unknown id is a `scorer_error`."""
    thought = at.split(response)
    ids = doc["instruction_id_list"]

    def judge() -> IFEvalVerdict:
        return check(
            thought.answer,
            instruction_id_list=ids,
            kwargs=doc["kwargs"],
            prompt=doc["prompt"],
            fail_unknown=True,
        )

    nothing = (False,) * max(len(ids), 1)
    failed = IFEvalVerdict(nothing, nothing)
    verdict, error = guarded(doc, response, judge, failed)
    for problem in verdict.unknown:
        logger.error("%s row %s: %s", doc["benchmark"], doc["id"], problem)
    strict, loose = list(verdict.inst_level_strict), list(verdict.inst_level_loose)
    metrics = {
        "prompt_level_strict_acc": verdict.prompt_level_strict,
        "inst_level_strict_acc": strict,
        "prompt_level_loose_acc": verdict.prompt_level_loose,
        "inst_level_loose_acc": loose,
        "strict_acc_mean": [verdict.prompt_level_strict, strict],
        ON_COMPLETED: verdict.prompt_level_strict if at.truncated is False else None,
        "scorer_error": error or bool(verdict.unknown),
    }
    metrics |= asdict(diagnostics.flag(response or "", thought, truncated=at.truncated))
    del metrics["no_answer"]  # none is extracted
    return metrics


def ifeval_parts(doc: Mapping[str, Any], metrics: Metrics) -> list[tuple[str, bool]]:
    """The strict verdicts on one answer's instructions, each with the instruction's type."""
    return list(zip(doc["instruction_id_list"], metrics["inst_level_strict_acc"], strict=False))


def mean_of_levels(items: Sequence[Sequence[Any] | None]) -> float | str:
    """The mean of several accuracies, each over all verdicts: IFEval in one number is that of the strict two.

    An item has a verdict or a list of them for each accuracy; None: the answer counts in none.
    """
    means = [pooled_mean(values) for values in by_level(items)]
    return UNKNOWN if not means or UNKNOWN in means else sum(map(float, means)) / len(means)


def mean_of_levels_stderr(items: Sequence[Sequence[Any] | None]) -> float | str:
    """The standard error of `mean_of_levels`.

    Linearised: to each accuracy a prompt gives its verdicts, as shares of the average number of a prompt.
    """
    levels = [clusters_of(values) for values in by_level(items)]
    if not levels or not all(sum(n for _, n in clusters) for clusters in levels):
        return UNKNOWN
    added = [_shares(clusters) for clusters in levels]
    return pooled_stderr([sum(shares) / len(levels) for shares in zip(*added, strict=True)])


def by_level(items: Sequence[Sequence[Any] | None]) -> list[tuple[Any, ...]]:
    """The values of each accuracy; nothing where no answer has any."""
    return list(zip(*(item for item in items if item is not None), strict=True))


def _shares(clusters: Sequence[tuple[float, int]]) -> list[float]:
    total = sum(n for _, n in clusters)
    mean, size = sum(right for right, _ in clusters) / total, total / len(clusters)
    return [(right - mean * n) / size for right, n in clusters]


def levels_over_answers(values: Sequence[tuple[bool, Sequence[bool]]]) -> tuple[float, list[bool]]:
    """Several answers to a prompt as one: the mean of its own verdicts, and all those of its instructions."""
    mean = sum(prompt for prompt, _ in values) / len(values)
    return mean, [verdict for _, instructions in values for verdict in instructions]


IFEVAL_METRICS: Mapping[str, Metric] = {
    "prompt_level_strict_acc": MEAN,
    "inst_level_strict_acc": POOLED,
    "prompt_level_loose_acc": MEAN,
    "inst_level_loose_acc": POOLED,
    "strict_acc_mean": Metric(
        aggregation=mean_of_levels, stderr=mean_of_levels_stderr, over_answers=levels_over_answers
    ),
    **COMMON_METRICS,
}

INSTRUCTION_SCORES = (
    Score(
        "prompt_level_strict_acc",
        column="Prompt Acc.",
        heading="Prompt-level strict accuracy (primary metric)",
    ),
    Score("prompt_level_loose_acc"),
    Score(
        "inst_level_strict_acc",
        unit="instruction",
        column="Instruction Acc.",
        heading="Instruction-level accuracy",
    ),
    Score("inst_level_loose_acc", unit="instruction"),
)
"""What is reported of a benchmark whose rows carry instructions."""
