"""Held-out answers token by token, shaded by how far the student is from the prompted model."""

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass

from distill.report.collect import TrainingRun
from distill.report.labels import condition_name

LEVELS = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Nats from which a token is shaded one level darker."""
_ROWS = 6
_TOKENS = 200
"""Of one answer, at most."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer.

    Attributes:
        text: Its text; a line's end shows as an arrow.
        level: 0, not shaded, to 5.
        nats: The divergence.
    """

    text: str
    level: int
    nats: float


@dataclass(frozen=True, slots=True)
class Shades:
    """Answers of one training.

    Attributes:
        title: Its task and condition.
        step: The step of the second of two.
        answers: The tokens before training, and at that step.
    """

    title: str
    step: int
    answers: list[tuple[list[Token], list[Token]]]


def shades(runs: Iterable[TrainingRun]) -> list[Shades]:
    """Of each training the answers with the most to learn from the prompt."""
    found = []
    for run in runs:
        if run.tokens is None:
            continue
        rows = sorted(run.tokens.rows, key=lambda row: -sum(before for _, before, _ in row))[:_ROWS]
        answers = [
            (
                [_token(text, before) for text, before, _ in row[:_TOKENS]],
                [_token(text, after) for text, _, after in row[:_TOKENS]],
            )
            for row in rows
        ]
        title = f"{run.title}, {condition_name(run.condition, run.kind)}"
        found.append(Shades(title, run.tokens.step, answers))
    return found


def _token(text: str, nats: float) -> Token:
    return Token(text.replace("\n", "↵"), bisect(LEVELS, nats), nats)
