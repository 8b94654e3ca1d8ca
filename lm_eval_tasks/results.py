"""One answer -> the harness's metrics, and how each is aggregated with its standard error.

The YAML files name the `score_*` functions. Every answer, also one that breaks a scorer, gives a value to
every metric, so that no row leaves a denominator. None means unknown or not applicable.

Beside a metric that is no plain mean stands a second one, named with `_stderr`: the harness prints it as the
first one's standard error, which by itself it computes for plain means only.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from lm_eval.api.metrics import mean

from lm_eval_tasks.scoring import csqa, diagnostics, gsm8k, ifeval, math
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.statistics import clustered_stderr
from lm_eval_tasks.scoring.thinking import split_thinking

logger = logging.getLogger(__name__)

Metrics = dict[str, Any]
Scorer = Callable[..., Metrics]
Verdict = TypeVar("Verdict")

UNKNOWN = "N/A"
"""The harness's own word where there is no number."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a scorer is told beside the answer's text.

    Attributes:
        truncated: Whether the answer was cut at the token limit; None where that is unknown.
        opens_thinking: Whether the prompt ended inside an opened `<think>`.
    """

    truncated: bool | None = None
    opens_thinking: bool = False


NOTHING_SPECIAL = Circumstances()


def score_gsm8k(
    doc: Mapping[str, Any], results: Sequence[Any], at: Circumstances = NOTHING_SPECIAL
) -> Metrics:
    """GSM8K's metrics of one answer."""
    return _score_answer(doc, results, at, gsm8k.score)


def score_math(
    doc: Mapping[str, Any], results: Sequence[Any], at: Circumstances = NOTHING_SPECIAL
) -> Metrics:
    """MATH's metrics of one answer."""
    return _score_answer(doc, results, at, math.score)


def score_csqa(
    doc: Mapping[str, Any], results: Sequence[Any], at: Circumstances = NOTHING_SPECIAL
) -> Metrics:
    """CommonsenseQA's metrics of one answer."""
    return _score_answer(doc, results, at, csqa.score, doc["choices"])


def score_ifeval(
    doc: Mapping[str, Any], results: Sequence[Any], at: Circumstances = NOTHING_SPECIAL
) -> Metrics:
    """IFEval's metrics of one answer: the four numbers, and the strict verdicts on each instruction type."""
    response = _text(results)
    thought = split_thinking(response or "", opened_in_prompt=at.opens_thinking)
    ids = doc["instruction_id_list"]

    def check() -> ifeval.IFEvalVerdict:
        return ifeval.check(
            thought.answer, instruction_id_list=ids, kwargs=doc["kwargs"], prompt=doc["prompt"]
        )

    failed = ifeval.IFEvalVerdict((False,) * len(ids), (False,) * len(ids))
    verdict, error = _guarded(doc, response, check, failed)
    strict, loose = list(verdict.inst_level_strict), list(verdict.inst_level_loose)
    metrics = {
        "prompt_level_strict_acc": verdict.prompt_level_strict,
        "inst_level_strict_acc": strict,
        "prompt_level_loose_acc": verdict.prompt_level_loose,
        "inst_level_loose_acc": loose,
        "mean_strict_acc": [verdict.prompt_level_strict, strict],
        "completed_strict_acc": verdict.prompt_level_strict if at.truncated is False else None,
        "scorer_error": error,
    }
    metrics |= asdict(diagnostics.flag(response or "", thought, truncated=at.truncated))
    del metrics["no_answer"]  # IFEval extracts none
    for name in ifeval.INSTRUCTION_IDS:
        metrics[f"type/{name}"] = [ok for ok, id in zip(strict, ids, strict=True) if id == name] or None
    return _with_stderr(metrics)


def _score_answer(
    doc: Mapping[str, Any],
    results: Sequence[Any],
    at: Circumstances,
    score: Callable[..., AnswerVerdict],
    *more: Any,
) -> Metrics:
    """Metrics of an answer that is right or wrong."""
    response = _text(results)
    thought = split_thinking(response or "", opened_in_prompt=at.opens_thinking)

    def judge() -> AnswerVerdict:
        return score(response, doc["target"], *more, opened_in_prompt=at.opens_thinking)

    failed = AnswerVerdict(strict=False, flexible=False, answer=None)
    verdict, error = _guarded(doc, response, judge, failed)
    metrics = {
        "strict_acc": verdict.strict,
        "flexible_acc": verdict.flexible,
        "completed_strict_acc": verdict.strict if at.truncated is False else None,
        "scorer_error": error,
    }
    if doc["benchmark"] == "math":
        metrics["timed_out"] = verdict.timed_out
    flags = diagnostics.flag(response or "", thought, no_answer=verdict.no_answer, truncated=at.truncated)
    return _with_stderr(metrics | asdict(flags))


def _text(results: Sequence[Any]) -> str | None:
    """The raw answer; None where the model gave no text, as an API may."""
    return results[0] if results and isinstance(results[0], str) else None


def _guarded(
    doc: Mapping[str, Any], response: str | None, judge: Callable[[], Verdict], failed: Verdict
) -> tuple[Verdict, bool]:
    """The verdict, and whether there is none: one bad row counts as wrong and does not end the run."""
    if response is None:
        logger.error("%s row %s: the model gave no text; it counts as wrong", doc["benchmark"], doc["id"])
        return failed, True
    try:
        return judge(), False
    except Exception:  # whatever one row does to a scorer
        logger.exception("%s row %s breaks its scorer and counts as wrong", doc["benchmark"], doc["id"])
        return failed, True


def _with_stderr(metrics: Metrics) -> Metrics:
    """Repeat the values of what is no plain mean under the name of its standard error."""
    pooled = {f"{name}_stderr": value for name, value in metrics.items() if f"{name}_stderr" in METRICS}
    return metrics | pooled


def pooled_mean(items: Sequence[Any]) -> float | str:
    """The mean over all verdicts of all prompts; a prompt has one verdict, a list of them, or None."""
    clusters = _clusters(items)
    total = sum(n for _, n in clusters)
    return sum(right for right, _ in clusters) / total if total else UNKNOWN


def pooled_stderr(items: Sequence[Any]) -> float | str:
    """The standard error of `pooled_mean`, clustered by prompt."""
    stderr = clustered_stderr(_clusters(items))
    return UNKNOWN if stderr is None else stderr


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


def warn_when_high(name: str, task: str, aggregation: Callable[..., Any], items: Sequence[Any]) -> Any:
    """Aggregate a failure rate; a high one is warned about, with the remedy."""
    rate = aggregation(items)
    if isinstance(rate, float) and rate > diagnostics.TRUNCATED_WARNING_RATE:
        remedy = {
            "truncated": "raise it with --gen_kwargs max_gen_toks=N, and see completed_strict_acc",
            "unclosed_think": "raise max_gen_toks, or check that enable_thinking is off",
            "scorer_error": "see the errors above; these answers count as wrong",
        }[name]
        logger.warning("%s: %s is %.1f%% of %d answers: %s", task, name, 100 * rate, len(items), remedy)
    return rate


def _clusters(items: Sequence[Any]) -> list[tuple[float, int]]:
    """Per prompt that has any: the sum and the number of its verdicts."""
    known = [item if isinstance(item, list) else [item] for item in items if item is not None]
    return [(sum(verdicts), len(verdicts)) for verdicts in known]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric's values become one number."""

    aggregation: Callable[..., Any]
    higher_is_better: bool


def _metrics() -> dict[str, Metric]:
    # The harness knows the standard error of its own `mean`.
    found = {
        name: Metric(mean, higher_is_better=True)
        for name in ("strict_acc", "flexible_acc", "prompt_level_strict_acc", "prompt_level_loose_acc")
    }
    found |= {
        name: Metric(mean, higher_is_better=False)
        for name in ("no_answer", "timed_out", "empty", "unclosed_think", "looping", "scorer_error")
    }
    pooled = ["inst_level_strict_acc", "inst_level_loose_acc", "completed_strict_acc"]
    pooled += [f"type/{name}" for name in ifeval.INSTRUCTION_IDS]
    for name in (*pooled, "truncated"):
        found[name] = Metric(pooled_mean, higher_is_better=name != "truncated")
        found[f"{name}_stderr"] = Metric(pooled_stderr, higher_is_better=False)
    found["mean_strict_acc"] = Metric(mean_of_levels, higher_is_better=True)
    found["mean_strict_acc_stderr"] = Metric(mean_of_levels_stderr, higher_is_better=False)
    return found


METRICS: Mapping[str, Metric] = _metrics()
"""Every metric of the generating tasks, by the name it has in the harness's results."""
