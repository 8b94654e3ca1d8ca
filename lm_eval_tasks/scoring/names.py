"""What is told of an answer beside its score: one name each, in every file, log and table.

lm-eval prints a task's metrics in the order of their names. These come behind IFEval's four numbers.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

ON_COMPLETED = "score_on_completed"
"""The primary score over the answers that ended by themselves."""

PARTS = "per_instruction_type"
"""Verdicts by kind of what a row is judged on: no metric, but a record."""

T = TypeVar("T")


class Diagnostic(NamedTuple):
    """How a diagnostic is displayed.

    Attributes:
        column: Over a table's column; empty: it is in no table.
        words: Of one answer.
    """

    column: str
    words: str


DIAGNOSTICS: Mapping[str, Diagnostic] = {
    "truncated": Diagnostic("Truncated", "cut at the token limit"),
    "unclosed_think": Diagnostic("Unclosed think", "thinking never closed"),
    "response_empty": Diagnostic("Empty", "empty"),
    "no_answer": Diagnostic("No answer", "no answer found"),
    "response_looping": Diagnostic("Looping", "looping"),
    "timed_out": Diagnostic("", "verification timed out"),
    "scorer_error": Diagnostic("", "scorer failed: counts as wrong"),
}
"""Verdicts on an answer that are no score; `no_answer` where the task extracts one."""

_FORMER = {
    "empty": "response_empty",
    "looping": "response_looping",
    "on_completed": ON_COMPLETED,
    "completed_strict_acc": ON_COMPLETED,
    "mean_strict_acc": "strict_acc_mean",
}


def current(found: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The same under today's names; earlier versions wrote others."""
    return {_FORMER.get(name, name): value for name, value in found}


def flagged(row: Mapping[str, Any]) -> dict[str, bool]:
    """The diagnostics that a row tells."""
    return {name: bool(row[name]) for name in DIAGNOSTICS if row.get(name) is not None}
