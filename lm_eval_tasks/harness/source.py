"""What the harness's tasks ask of a source."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from lm_eval_tasks.episodes import Episode, Source
from lm_eval_tasks.files import BadRow
from lm_eval_tasks.scoring.metrics import Metric, Metrics
from lm_eval_tasks.scoring.response import Circumstances


class HarnessSource(Source, Protocol):
    """A source whose answers are judged here and not by the harness's own metrics.

    Attributes:
        data: Where its rows are, for the record.
        pool_data: Where its demonstrations come from, for the record.
        metrics: Every metric by its name in the results, the primary one first.
        bad_rows: The rows that cannot be used and are left out, of all files that were read so far.
    """

    @property
    def data(self) -> str:
        """See the class."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """See the class."""

    @property
    def pool_data(self) -> str:
        """See the class."""

    @property
    def bad_rows(self) -> Sequence[BadRow]:
        """See the class."""

    def document(self, episode: Episode) -> dict[str, Any]:
        """A row as the harness logs it: `id`, `prompt` and `target` at least."""

    def score(self, doc: Mapping[str, Any], response: str | None, at: Circumstances) -> Metrics:
        """One answer's value of every metric; `response` is None where the model gave no text."""

    def parts(self, doc: Mapping[str, Any], metrics: Metrics) -> Iterable[tuple[str, bool]]:
        """Of one answer, given the values of its metrics, the verdicts by kind of what is judged."""
