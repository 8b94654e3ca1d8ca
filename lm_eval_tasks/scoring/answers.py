"""Benchmarks whose questions have one right answer: the verdict, and its metrics."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lm_eval_tasks.scoring import diagnostics
from lm_eval_tasks.scoring.metrics import COMMON_METRICS, FAILURE, MEAN, Metric, Metrics
from lm_eval_tasks.scoring.names import ON_COMPLETED
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances, guarded


@dataclass(frozen=True, slots=True)
class AnswerVerdict:
    """What a question-answering scorer found.

    Attributes:
        strict: Right, and in the form that the prompt asks for.
        flexible: Right, wherever the answer stands.
        answer: The extracted answer: in the asked form if there is one, else the flexibly found one;
            None where there is none.
        timed_out: Whether checking the answer hit its time limit, where it has one.
    """

    strict: bool
    flexible: bool
    answer: str | None
    timed_out: bool = False

    @property
    def no_answer(self) -> bool:
        """Whether no answer was found."""
        return self.answer is None


ANSWER_METRICS: Mapping[str, Metric] = {
    "strict_acc": MEAN,
    "flexible_acc": MEAN,
    "no_answer": FAILURE,
    **COMMON_METRICS,
}


def answer_metrics(
    doc: Mapping[str, Any],
    response: str | None,
    judge: Callable[..., AnswerVerdict],
    *more: Any,
    at: Circumstances = NOTHING_SPECIAL,
    timed: bool = False,
) -> Metrics:
    """The values of `ANSWER_METRICS` for one answer.

    Args:
        doc: The question, with `benchmark`, `id` and `target`.
        response: The raw answer; None where there is no text.
        judge: `judge(answer, target, *more)`; the answer is the response without its reasoning.
        more: Its further arguments.
        at: How the answer came about.
        timed: Whether the scorer has a time limit; `timed_out` then says whether it was hit.
    """
    thought = at.split(response)
    failed = AnswerVerdict(strict=False, flexible=False, answer=None)
    verdict, error = guarded(doc, response, lambda: judge(thought.answer, doc["target"], *more), failed)
    metrics = {
        "strict_acc": verdict.strict,
        "flexible_acc": verdict.flexible,
        ON_COMPLETED: verdict.strict if at.truncated is False else None,
        "scorer_error": error,
    }
    if timed:
        metrics["timed_out"] = verdict.timed_out
    flags = diagnostics.flag(response or "", thought, no_answer=verdict.no_answer, truncated=at.truncated)
    return metrics | asdict(flags)
