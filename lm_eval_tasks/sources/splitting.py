"""One file of labelled rows -> rows to learn from and rows that are judged."""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lm_eval_tasks.episodes import Episode, same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.named import NamedMetric

logger = logging.getLogger(__name__)

SHARE = 5
"""One of so many labelled rows is judged, ..."""
MOST = 200
"""... and no more than these."""
_SEED = 42


class Placed(NamedTuple):
    """An episode and where it stands, for messages."""

    where: str
    episode: Episode


def hold_out(
    rows: Sequence[Placed], metric: NamedMetric, shown: Sequence[Placed], *, where: str
) -> tuple[list[Placed], list[Placed], int]:
    """Hold out a fifth of the labelled rows, 1 to 200, to be judged.

    Every command finds the same ones, whatever the order of the file and the seed of a run: a question is
    chosen by its hash. No question stands on both sides, and none that a demonstration asks is judged.

    Args:
        rows: All rows.
        metric: What judges: a row without a gold answer counts as labelled where the metric needs none.
        shown: Demonstrations.
        where: The file, for messages.

    Returns:
        Rows to learn from, rows that are judged, and the number of rows that are neither: unlabelled ones
        that ask what is judged. None are judged where no row is labelled.

    Raises:
        UserError: nothing would be left to learn from, or each labelled row is a demonstration.
    """
    labelled: dict[str, int] = Counter(_asked(row) for row in rows if _is_labelled(row.episode, metric))
    if not labelled:
        return list(rows), [], 0
    for row in shown:
        labelled.pop(_asked(row), None)
    chosen = _chosen(labelled)
    kept = [row for row in rows if _asked(row) not in chosen]
    judged = [row for row in rows if _asked(row) in chosen and _is_labelled(row.episode, metric)]
    if not judged or not kept:
        what = "every labelled row is one of the demonstrations" if not judged else "all rows ask the same"
        raise UserError(
            f"{where} cannot be both learnt from and evaluated: {what}. Give more rows, or those to evaluate "
            "by --eval E.jsonl."
        )
    logger.info(
        "%s: %d rows are evaluated and %d are learnt from; name a file by --eval to choose them yourself",
        where, len(judged), len(kept),
    )  # fmt: skip
    return kept, judged, len(rows) - len(kept) - len(judged)


def _chosen(labelled: Mapping[str, int]) -> set[str]:
    """The questions that are judged, out of those with labels and the number of their rows."""
    left = min(MOST, max(1, sum(labelled.values()) // SHARE))
    ranked = sorted(labelled, key=_rank)
    chosen = set()
    for question in ranked:
        if labelled[question] <= left:
            left -= labelled[question]
            chosen.add(question)
    # Where each question stands so often that none fits, the rarest.
    return chosen or set(sorted(ranked, key=labelled.__getitem__)[:1])


def _rank(question: str) -> str:
    return hashlib.sha256(f"{_SEED}/{question}".encode()).hexdigest()


def _asked(row: Placed) -> str:
    return same_question(row.episode.question)


def _is_labelled(episode: Episode, metric: NamedMetric) -> bool:
    if "target" in episode.reference:  # also one that the metric cannot use, which is an error later
        return True
    try:
        metric.check(episode.reference)
    except UserError:
        return False
    return True
