"""IFEval's metrics of one answer: the four numbers, their single one, and verdicts by instruction type."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.scorer import IFEvalVerdict, check
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
from lm_eval_tasks.scoring.names import ON_COMPLETED
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances, guarded


def score_ifeval(
    doc: Mapping[str, Any], response: str | None, at: Circumstances = NOTHING_SPECIAL
) -> Metrics:
    """The values of `IFEVAL_METRICS` for one answer."""
    thought = at.split(response)
    ids = doc["instruction_id_list"]

    def judge() -> IFEvalVerdict:
        return check(thought.answer, instruction_id_list=ids, kwargs=doc["kwargs"], prompt=doc["prompt"])

    nothing = (False,) * max(len(ids), 1)
    failed = IFEvalVerdict(nothing, nothing)
    verdict, error = guarded(doc, response, judge, failed)
    strict, loose = list(verdict.inst_level_strict), list(verdict.inst_level_loose)
    metrics = {
        "prompt_level_strict_acc": verdict.prompt_level_strict,
        "inst_level_strict_acc": strict,
        "prompt_level_loose_acc": verdict.prompt_level_loose,
        "inst_level_loose_acc": loose,
        "strict_acc_mean": [verdict.prompt_level_strict, strict],
        ON_COMPLETED: verdict.prompt_level_strict if at.truncated is False else None,
        "scorer_error": error,
    }
    metrics |= asdict(diagnostics.flag(response or "", thought, truncated=at.truncated))
    del metrics["no_answer"]  # none is extracted
    return metrics


def ifeval_parts(doc: Mapping[str, Any], metrics: Metrics) -> list[tuple[str, bool]]:
    """The strict verdicts on one answer's instructions, each with the instruction's type."""
    return list(zip(doc["instruction_id_list"], metrics["inst_level_strict_acc"], strict=False))


def mean_of_levels(items: Sequence[tuple[bool, Sequence[bool]]]) -> float:
    """IFEval in one number: the mean of the two strict accuracies, prompt-level and instruction-level."""
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


IFEVAL_METRICS: Mapping[str, Metric] = {
    "prompt_level_strict_acc": MEAN,
    "inst_level_strict_acc": POOLED,
    "prompt_level_loose_acc": MEAN,
    "inst_level_loose_acc": POOLED,
    "strict_acc_mean": Metric(aggregation=mean_of_levels, stderr=mean_of_levels_stderr),
    **COMMON_METRICS,
}
