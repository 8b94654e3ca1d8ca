"""Rows to which no answer can be right, such as those with a constraint that nothing defines."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lm_eval_tasks.episodes import Episode, Source
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.metrics import Metrics
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances
from lm_eval_tasks.sources.benchmark import BenchmarkSource

_SOME_ANSWER = "No answer."


class Scorer(Protocol):
    """What a source judges answers with."""

    def score(self, doc: Mapping[str, Any], response: str | None, at: Circumstances) -> Metrics:
        """See `BenchmarkSource.score`."""


def broken(scorer: Scorer, documents: Sequence[Mapping[str, Any]]) -> list[int]:
    """The places of the documents that break their scorer, whatever is answered; the log says why."""
    return [
        place
        for place, doc in enumerate(documents)
        if scorer.score(doc, _SOME_ANSWER, NOTHING_SPECIAL).get("scorer_error")
    ]


def unjudged(source: Source, episodes: Sequence[Episode]) -> list[str]:
    """The ids of the rows of a benchmark to which no answer can be right.

    Others have none: rows of one's own are checked when they are opened, and a task of lm-eval judges by
    functions of its own.
    """
    if not isinstance(source, BenchmarkSource):
        return []
    documents = [source.document(episode) for episode in episodes]
    return [episodes[place].id for place in broken(source, documents)]


def refuse(name: str, ids: Sequence[object], rows: int, *, option: str) -> None:
    """Refuse rows that cannot be judged, where there are some.

    Args:
        name: What they are of.
        ids: Theirs.
        rows: How many rows there are.
        option: What asks for the refusal.

    Raises:
        UserError: there are some.
    """
    if ids:
        raise UserError(
            f"{name}: {len(ids)} of {rows} rows cannot be judged (id {', '.join(map(str, ids[:5]))}; see the "
            f"log above). Mend them, or leave out {option}: then every answer to them counts as wrong."
        )
