"""What may be said of what a model forgot: a loss, none worth speaking of, or nothing yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from distill.statistics.paired import Paired, Values, compare
from distill.statistics.significance import LEVEL, holm

ENOUGH_ROWS = 200
"""Fewer cannot show that nothing was forgotten."""
MARGIN = 0.1
"""A loss so large must lie outside the interval of a difference for that to be said."""


class Verdict(StrEnum):
    """What the rows of all tasks together say."""

    LOST = "lost"
    NOTHING = "forgot nothing"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Kept:
    """One student against the bare model, on tasks that have nothing to do with its job.

    Attributes:
        tasks: The comparison on each, in the given order; a difference below 0 is a loss.
        p_holm: Its p-value, adjusted for the number of tasks.
        together: All rows as one column; None: there are none.
        verdict: `lost` where a task shows a loss; `forgot nothing` with 200 rows or more, an interval, and no
            loss of 10 points in it; else `open`.
    """

    tasks: Sequence[Paired]
    p_holm: Sequence[float]
    together: Paired | None
    verdict: Verdict


def kept(bare: Sequence[Values], student: Sequence[Values]) -> Kept:
    """Compare task by task, and all rows together.

    Args:
        bare: Of each task the bare model's values `[n]`: verdicts, scores of 0 to 1, or lists of verdicts.
        student: The student's on the same rows.

    Raises:
        ValueError: see `compare`.
    """
    tasks = [compare(one, other) for one, other in zip(bare, student, strict=True)]
    p_holm = holm([one.p for one in tasks])
    columns = ([value for column in side for value in column] for side in (bare, student))
    together = compare(*columns) if tasks else None
    lost = any(_loss(one) and p < LEVEL for one, p in zip(tasks, p_holm, strict=True))
    lost |= together is not None and _loss(together)
    if lost:
        verdict = Verdict.LOST
    elif together and together.n >= ENOUGH_ROWS and together.interval and together.interval[0] > -MARGIN:
        verdict = Verdict.NOTHING
    else:
        verdict = Verdict.OPEN
    return Kept(tasks, p_holm, together, verdict)


def _loss(compared: Paired) -> bool:
    return compared.shown and not compared.better
