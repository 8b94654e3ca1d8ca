"""An opened source of rows of one's own; see `json_lines`."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lm_eval_tasks.episodes import Episode, Message, Prompt, prompt_text, turns_of
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import BadRow
from lm_eval_tasks.prompting.demonstrations import Mode
from lm_eval_tasks.scoring.diagnostics import flag
from lm_eval_tasks.scoring.metrics import COMMON_METRICS, MEAN, Metric, Metrics
from lm_eval_tasks.scoring.named import Judgement, NamedMetric
from lm_eval_tasks.scoring.names import ON_COMPLETED
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances
from lm_eval_tasks.sources.pooled import PooledTask

logger = logging.getLogger(__name__)


@dataclass
class JsonLinesSource(PooledTask):
    """Episodes of JSON lines; a `lm_eval_tasks.episodes.Source`. Made by `open_json_lines`.

    Attributes:
        name: As results name it.
        metric: What judges a reply; None where nothing is evaluated and none was named.
        num_fewshot: Demonstrations shown by default: all of the demonstrations' file.
        demonstrations: Those of the demonstrations' file, in its order.
        dropped_inputs: Inputs left out because they are demonstrations.
        dropped_evaluated: Inputs left out because they ask what is evaluated.
        unlabelled: The file of rows that were to be split and cannot be evaluated, since none has a label.
        data: The file of the evaluated rows, for the record.
        pool_data: The demonstrations' file, for the record.
        demonstration_mode: They are shown in their file's order.
        max_new_tokens: Longest answer, where a task file says so.
        bad_rows: None: a row of one's own that cannot be used is an error.
    """

    name: str
    metric: NamedMetric | None
    num_fewshot: int = 0
    demonstrations: tuple[Episode, ...] = field(default=(), repr=False)
    dropped_inputs: int = 0
    dropped_evaluated: int = 0
    unlabelled: str | None = None
    _inputs: tuple[Episode, ...] = field(default=(), repr=False)
    _evaluated: tuple[Episode, ...] = field(default=(), repr=False)
    _by_id: dict[str, Episode] = field(default_factory=dict, repr=False)
    data: str = ""
    pool_data: str = ""
    demonstration_mode: Mode = "listed"
    max_new_tokens: int | None = None
    bad_rows: tuple[BadRow, ...] = ()

    def train(self) -> list[Episode]:
        """The inputs, labelled or not.

        Raises:
            UserError: there are none.
        """
        return _some(self._inputs, self.name, "rows to learn from", "--inputs I.jsonl")

    def evaluation(self) -> list[Episode]:
        """The rows that are judged.

        Raises:
            UserError: there are none.
        """
        if self.unlabelled is not None:
            raise UserError(
                f"{self.unlabelled}: no row has a completion, so none can be evaluated; label some, or give "
                "rows to evaluate by --eval E.jsonl."
            )
        return _some(self._evaluated, self.name, "rows to evaluate", "--eval E.jsonl")

    def pool(self) -> list[Episode]:
        """The demonstrations, in their file's order; without such a file, the inputs that have a completion.

        Raises:
            UserError: there are none.
        """
        remedy = "--demonstrations D.jsonl, each row with a completion"
        solved = self.demonstrations or [row for row in self._inputs if row.completion is not None]
        return _some(solved, self.name, "solved rows to show", remedy)

    @property
    def left_out(self) -> dict[str, int]:
        """Unlabelled rows of a file that was split which ask what it evaluates; else it is an error."""
        return {"evaluated": self.dropped_evaluated}

    def show(
        self, episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
    ) -> Prompt:
        """The row's conversation behind demonstrations and a system instruction.

        There is one system turn: the instruction, then the row's own. A demonstration is its turns and its
        completion.

        Raises:
            UserError: a demonstration has no completion, or another system turn than the row it is shown to.
        """
        own, turns = _apart(episode.prompt)
        first = "\n\n".join(text for text in (system, own) if text)
        messages: list[Message] = [{"role": "system", "content": first}] if first else []
        for shown in demonstrations:
            messages += _solved(shown, own, episode)
        return (*messages, *turns)

    @property
    def metrics(self) -> dict[str, Metric]:
        """Every metric by its name in the results, the row's own first."""
        return {self.metric_name: MEAN, **COMMON_METRICS}

    @property
    def metric_name(self) -> str:
        """The metric's name in the results."""
        if self.metric is None:
            raise UserError(f"{self.name}: no metric was named; give one with --metric.")
        return f"{self.metric.name}_score" if self.metric.name in COMMON_METRICS else self.metric.name

    def document(self, episode: Episode) -> dict[str, Any]:
        """A row as the harness logs it; Arrow would fill nulls into nested fields, so they are JSON text."""
        reference = dict(episode.reference)
        return {
            "id": episode.id,
            "question": episode.question,
            "prompt": prompt_text(episode.prompt),
            "target": reference.pop("target", ""),
            "reference": json.dumps(reference, ensure_ascii=False),
        }

    def score(self, doc: Mapping[str, Any], response: str | None, at: Circumstances) -> Metrics:
        """One answer's value of every metric."""
        judgement = self.judge(self._row(doc["id"]), response, at)
        if judgement.error:
            logger.error("%s row %s counts as wrong: %s", self.name, doc["id"], judgement.error)
        flags = asdict(flag(response or "", at.split(response), truncated=at.truncated))
        del flags["no_answer"]  # these metrics extract none
        return {
            self.metric_name: judgement.score,
            ON_COMPLETED: judgement.score if at.truncated is False else None,
            "scorer_error": judgement.error is not None,
            **flags,
        }

    def parts(self, doc: Mapping[str, Any], metrics: Metrics) -> tuple[()]:
        """None: a metric gives one value."""
        return ()

    def _row(self, id: str) -> Episode:
        if not self._by_id:
            self._by_id.update({episode.id: episode for episode in self._evaluated})
        return self._by_id[id]

    def judge(self, episode: Episode, reply: str | None, at: Circumstances = NOTHING_SPECIAL) -> Judgement:
        """Judge a reply to a row.

        Args:
            episode: The row.
            reply: The raw reply; None: there is none.
            at: How the reply came about.

        Raises:
            UserError: no metric was named.
        """
        if self.metric is None:
            raise UserError(f"{self.name}: no metric was named; give one with --metric.")
        return self.metric.judge(reply, episode.reference, at)


def _apart(prompt: Prompt) -> tuple[str | None, tuple[Message, ...]]:
    """The text of the system turn, if any, and the other turns."""
    turns = turns_of(prompt)
    if turns[0]["role"] == "system":
        return str(turns[0]["content"]), turns[1:]
    return None, turns


def _solved(shown: Episode, system: str | None, asked: Episode) -> tuple[Message, ...]:
    own, turns = _apart(shown.prompt)
    if shown.completion is None:
        raise UserError(f"{shown.source}: the demonstration {shown.id!r} has no completion; add it.")
    if own is not None and own != system:
        raise UserError(
            f"{shown.source}: the demonstration {shown.id!r} has another system turn than the row "
            f"{asked.id!r} that it is shown to, and a conversation has one. Give what all rows share by "
            "--system_instruction, what differs in the user's turn."
        )
    return (*turns, {"role": "assistant", "content": shown.completion})


def _some(rows: Sequence[Episode], name: str, what: str, remedy: str) -> list[Episode]:
    if not rows:
        raise UserError(f"{name}: there are no {what}; give {remedy}.")
    return list(rows)
