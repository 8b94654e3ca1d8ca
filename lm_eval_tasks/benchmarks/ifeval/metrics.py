"""IFEval's metrics of one answer: the four numbers, and the strict verdicts on each instruction type."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lm_eval_tasks.benchmarks.definition import Score
from lm_eval_tasks.benchmarks.ifeval.scorer import INSTRUCTION_IDS, IFEvalVerdict, check
from lm_eval_tasks.scoring import diagnostics
from lm_eval_tasks.scoring.metrics import (
    COMMON_METRICS,
    MEAN,
    POOLED,
    Metric,
    Metrics,
    pooled_mean,
    pooled_stderr,
)
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances, guarded

logger = logging.getLogger(__name__)

OTHER = "other"
"""Among the types of a benchmark: all instructions that are none of its own."""


def score_ifeval(
    doc: Mapping[str, Any], response: str | None, at: Circumstances = NOTHING_SPECIAL
) -> Metrics:
    """The values of `IFEVAL_METRICS` for one answer."""
    return score_instructions(doc, response, at, types=INSTRUCTION_IDS)


def score_instructions(
    doc: Mapping[str, Any], response: str | None, at: Circumstances, *, types: Sequence[str]
) -> Metrics:
    """The values of `instruction_metrics(types)` for one answer; an unknown id is a `scorer_error`."""
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
        "mean_strict_acc": [verdict.prompt_level_strict, strict],
        "completed_strict_acc": verdict.prompt_level_strict if at.truncated is False else None,
        "scorer_error": error or bool(verdict.unknown),
    }
    metrics |= asdict(diagnostics.flag(response or "", thought, truncated=at.truncated))
    del metrics["no_answer"]  # none is extracted
    kinds = [id if id in types else OTHER for id in ids]
    for name in types:
        metrics[f"type/{name}"] = [
            ok for ok, kind in zip(strict, kinds, strict=False) if kind == name
        ] or None
    return metrics


def mean_of_levels(items: Sequence[tuple[bool, Sequence[bool]]]) -> float:
    """The mean of prompt-level and instruction-level accuracy: the one number that model cards quote."""
    prompts = sum(prompt for prompt, _ in items) / len(items)
    verdicts = [verdict for _, instructions in items for verdict in instructions]
    return (prompts + sum(verdicts) / len(verdicts)) / 2


def mean_of_levels_stderr(items: Sequence[tuple[bool, Sequence[bool]]]) -> float | str:
    """The standard error of `mean_of_levels`.

    Linearised: a prompt contributes half its own verdict and half its instructions' as shares of the average
    number of instructions a prompt.
    """
    per_prompt = sum(len(instructions) for _, instructions in items) / len(items)
    pooled = float(pooled_mean([instructions for _, instructions in items]))
    shares = [
        (prompt + (sum(verdicts) - pooled * len(verdicts)) / per_prompt) / 2 for prompt, verdicts in items
    ]
    return pooled_stderr(shares)


def instruction_metrics(types: Sequence[str]) -> dict[str, Metric]:
    """The metrics of a benchmark with these instruction types."""
    return {
        "prompt_level_strict_acc": MEAN,
        "inst_level_strict_acc": POOLED,
        "prompt_level_loose_acc": MEAN,
        "inst_level_loose_acc": POOLED,
        "mean_strict_acc": Metric(aggregation=mean_of_levels, stderr=mean_of_levels_stderr),
        **COMMON_METRICS,
        **{f"type/{name}": POOLED for name in types},
    }


IFEVAL_METRICS: Mapping[str, Metric] = instruction_metrics(INSTRUCTION_IDS)

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
