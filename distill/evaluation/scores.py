"""Which numbers each benchmark reports."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scores:
    """A benchmark's metrics by their names in the harness, the primary one first.

    Attributes:
        per_row: One verdict a row.
        per_instruction: A list of verdicts a row; pooled over all instructions.
    """

    per_row: tuple[str, ...]
    per_instruction: tuple[str, ...] = ()

    @property
    def primary(self) -> str:
        """The metric that tables show."""
        return self.per_row[0]


_ANSWERS = Scores(per_row=("strict_acc", "flexible_acc"))

SCORES: Mapping[str, Scores] = {
    "gsm8k": _ANSWERS,
    "csqa": _ANSWERS,
    "math": _ANSWERS,
    "ifeval": Scores(
        per_row=("prompt_level_strict_acc", "prompt_level_loose_acc"),
        per_instruction=("inst_level_strict_acc", "inst_level_loose_acc"),
    ),
}

DIAGNOSTICS = ("no_answer", "empty", "unclosed_think", "looping", "timed_out", "scorer_error")
"""Verdicts on a response that are no score; `no_answer` where the benchmark extracts one."""
