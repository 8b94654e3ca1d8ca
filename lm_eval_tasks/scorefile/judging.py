"""One record -> one verdict: what `icl-distill score` needs of a benchmark."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scorefile.records import Record
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.diagnostics import Flags, flag

TIMEOUTS = "verification_timeouts"
UNKNOWN_CONSTRAINTS = "unknown_constraints"
"""Counts constraints that nothing defines: they fail, and their verdicts' `error` names them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is kept of one response.

    Attributes:
        verdict: Its line of the verdicts file, but for `row`.
        scores: Per metric the sum and the number of its observations (instructions; else one).
        cluster: What names the question; None: the response stands alone.
        flags: Diagnostics; None for a malformed row.
        response_tokens: Length in tokens, if known.
        parts: Kind and verdicts by level of each part of the response that is judged by itself.
        counts: What else is counted over all responses, and stands among the diagnostics.
    """

    verdict: Mapping[str, Any]
    scores: Mapping[str, tuple[float, int]]
    cluster: str | None = None
    flags: Flags | None = None
    response_tokens: int | None = None
    parts: tuple[tuple[str, Mapping[str, bool]], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


class Judge(Protocol):
    """What the command needs.

    Attributes:
        metrics: Names of the accuracies, the main one first.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """See the class."""

    def judge(self, record: Record) -> Judged:
        """Score one response; raises `UserError` where its row is malformed."""

    def failed(self, error: str) -> Judged:
        """What stands for a malformed row: a failure."""

    def about_data(self) -> dict[str, Any]:
        """What the output says about the data that it judged by, beside the rows."""

    def summarise(self, metrics: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
        """What the output says beside metrics and diagnostics.

        Args:
            metrics: By name, `value`, `count` and uncertainty.
            parts: By kind, the same by level.
        """


class AnswerJudge:
    """One right answer, `target`, in the row."""

    def __init__(
        self,
        judge: Callable[..., AnswerVerdict],
        *,
        more: Callable[[Record], tuple[Any, ...]] = lambda record: (),
        metrics: tuple[str, ...] = ("strict_acc", "flexible_acc"),
        timed: bool = False,
    ) -> None:
        """Judge by one function.

        Args:
            judge: `judge(answer, target, *more)`; the answer is the response without its reasoning.
            more: Its further arguments.
            metrics: The order of the two accuracies.
            timed: Whether a verdict may hit a time limit.
        """
        self.metrics = metrics
        self._judge, self._more, self._timed = judge, more, timed

    def judge(self, record: Record) -> Judged:
        """See `Judge`."""
        target = record.fields.get("target")
        if not isinstance(target, str):
            raise UserError(f"field 'target' must be text, not {target!r:.60}.")
        thinking = record.thinking
        verdict = self._judge(thinking.answer, target, *self._more(record))
        return Judged(
            {"strict": verdict.strict, "flexible": verdict.flexible, "answer": verdict.answer, "error": None},
            {"strict_acc": (verdict.strict, 1), "flexible_acc": (verdict.flexible, 1)},
            cluster=record.cluster,
            flags=flag(record.response, thinking, no_answer=verdict.no_answer, truncated=record.truncated),
            response_tokens=record.response_tokens,
            counts=self._counts(verdict.timed_out),
        )

    def failed(self, error: str) -> Judged:
        """See `Judge`."""
        return Judged(
            {"strict": False, "flexible": False, "answer": None, "error": error},
            dict.fromkeys(self.metrics, (0.0, 1)),
            counts=self._counts(False),
        )

    def about_data(self) -> dict[str, Any]:
        """See `Judge`."""
        return {}

    def summarise(self, metrics: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
        """See `Judge`."""
        return {}

    def _counts(self, timed_out: bool) -> dict[str, int]:
        return {TIMEOUTS: int(timed_out)} if self._timed else {}
