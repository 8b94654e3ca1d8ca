"""Rows of one's own: JSON lines as a source. Columns: see `lm_eval_tasks.sources.row_format`."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from lm_eval_tasks.episodes import Episode, Message, Prompt, prompt_text, same_question
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.files import read_json_lines
from lm_eval_tasks.prompting.demonstrations import DEFAULT_SEED, DemonstrationPicker, Mode
from lm_eval_tasks.scoring.diagnostics import flag
from lm_eval_tasks.scoring.metrics import COMMON_METRICS, MEAN, POOLED, Metric, Metrics
from lm_eval_tasks.scoring.named import Judgement, NamedMetric, resolve_metric
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.scoring.thinking import split_thinking
from lm_eval_tasks.sources.row_format import parse_row

logger = logging.getLogger(__name__)

DEFAULT_METRIC = "exact_match"


class Placed(NamedTuple):
    """An episode and where it stands, for messages."""

    where: str
    episode: Episode


@dataclass
class JsonLinesSource:
    """Episodes of JSON lines; a `lm_eval_tasks.episodes.Source`. Made by `open_json_lines`.

    Attributes:
        name: As results name it.
        metric: What judges a reply; None where nothing is evaluated and none was named.
        num_fewshot: Demonstrations shown by default: all of the demonstrations' file.
        demonstrations: Those of the demonstrations' file, in its order.
        dropped_inputs: Inputs left out because they are demonstrations.
        data: The file of the evaluated rows, for the record.
        pool_data: The demonstrations' file, for the record.
        demonstration_mode: They are shown in their file's order.
        max_new_tokens: Longest answer, where a task file says so.
    """

    name: str
    metric: NamedMetric | None
    num_fewshot: int = 0
    demonstrations: tuple[Episode, ...] = field(default=(), repr=False)
    dropped_inputs: int = 0
    _inputs: tuple[Episode, ...] = field(default=(), repr=False)
    _evaluated: tuple[Episode, ...] = field(default=(), repr=False)
    _by_id: dict[str, Episode] = field(default_factory=dict, repr=False)
    data: str = ""
    pool_data: str = ""
    demonstration_mode: Mode = "listed"
    max_new_tokens: int | None = None

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
    def members(self) -> list["JsonLinesSource"]:
        """Itself."""
        return [self]

    def picker(self, k: int, mode: str | None = None, seed: int = DEFAULT_SEED) -> DemonstrationPicker:
        """See `Source`.

        Raises:
            UserError: unknown mode, or too few demonstrations.
        """
        chosen = cast(Mode, mode or self.demonstration_mode)
        return DemonstrationPicker(self.pool() if k else [], k, chosen, seed)

    @property
    def left_out(self) -> dict[str, int]:
        """None: an input that is evaluated is an error."""
        return {"evaluated": 0}

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
        own = self.metric_name
        common = {name: metric for name, metric in COMMON_METRICS.items() if name != "completed_strict_acc"}
        return {own: MEAN, f"completed_{own}": POOLED, **common}

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
        judgement = self.judge(self._row(doc["id"]), response, opened_in_prompt=at.opens_thinking)
        if judgement.error:
            logger.error("%s row %s counts as wrong: %s", self.name, doc["id"], judgement.error)
        thought = split_thinking(response or "", opened_in_prompt=at.opens_thinking)
        flags = asdict(flag(response or "", thought, truncated=at.truncated))
        del flags["no_answer"]  # these metrics extract none
        return {
            self.metric_name: judgement.score,
            f"completed_{self.metric_name}": judgement.score if at.truncated is False else None,
            "scorer_error": judgement.error is not None,
            **flags,
        }

    def _row(self, id: str) -> Episode:
        if not self._by_id:
            self._by_id.update({episode.id: episode for episode in self._evaluated})
        return self._by_id[id]

    def judge(self, episode: Episode, reply: str | None, *, opened_in_prompt: bool = False) -> Judgement:
        """Judge a reply to a row.

        Args:
            episode: The row.
            reply: The raw reply; None: there is none.
            opened_in_prompt: Whether the prompt ended inside an opened `<think>`.

        Raises:
            UserError: no metric was named.
        """
        if self.metric is None:
            raise UserError(f"{self.name}: no metric was named; give one with --metric.")
        return self.metric.judge(reply, episode.reference, opened_in_prompt=opened_in_prompt)


def read_episodes(path: Path | str, name: str) -> list[Episode]:
    """The episodes of a file of JSON lines, in its order.

    Args:
        path: The file.
        name: The source's name.

    Raises:
        UserError: no such file, no row in it, a row that cannot be used, or two rows of one id.
    """
    return [row.episode for row in _read(path, name)]


def open_json_lines(
    path: Path | str | None = None,
    *,
    inputs: Path | str | None = None,
    evaluation: Path | str | None = None,
    demonstrations: Path | str | None = None,
    tools: Path | str | None = None,
    metric: str | None = None,
    name: str | None = None,
    max_new_tokens: int | None = None,
) -> JsonLinesSource:
    """A source of rows of one's own.

    Args:
        path: Labelled rows to learn from; demonstrations are drawn from them if no file lists any.
        inputs: Rows to learn from, labelled or not; in the place of `path`.
        evaluation: Rows that are judged.
        demonstrations: Solved rows that a prompt may show, in this order.
        tools: A JSON file of tools that all evaluated rows without their own have.
        metric: See `lm_eval_tasks.scoring.named`; default: `exact_match`.
        max_new_tokens: Longest answer.
        name: As results name it; default: the name of the first file given.

    Raises:
        UserError: a file or row that cannot be used; a demonstration without a completion; a demonstration or
            input that stands among the evaluated rows; no label where the metric needs one.
    """
    if path is not None and inputs is not None:
        raise UserError(
            f"rows to learn from are named twice: {path} and --inputs {inputs}. Keep one of them."
        )
    first = next((given for given in (path, evaluation, inputs, demonstrations) if given is not None), None)
    if first is None:
        raise UserError("no file of JSON lines was named; give at least one of PATH, --eval and --inputs.")
    name = name or Path(first).stem
    learned, evaluated, shown = (
        _read(given, name) if given is not None else []
        for given in (path or inputs, evaluation, demonstrations)
    )
    for row in shown:
        if row.episode.completion is None:
            raise UserError(
                f"{row.where} is a demonstration without a completion; add its answer, or remove it."
            )
    _refuse_evaluated(shown, evaluated, "demonstration")
    _refuse_evaluated(learned, evaluated, "row to learn from")
    judge = resolve_metric(metric or DEFAULT_METRIC) if metric or evaluated else None
    if judge is not None:
        _check_labels(evaluated, judge)
    shared = _read_tools(tools) if tools is not None else None
    kept = _without(learned, shown)
    if learned and not kept:
        raise UserError(
            f"{path or inputs}: every row is one of the demonstrations; give others to learn from."
        )
    return JsonLinesSource(
        name=name,
        metric=judge,
        num_fewshot=len(shown),
        demonstrations=tuple(row.episode for row in shown),
        dropped_inputs=len(learned) - len(kept),
        _inputs=tuple(row.episode for row in kept),
        _evaluated=tuple(_with_tools(row.episode, shared) for row in evaluated),
        data=str(evaluation or path or inputs or ""),
        pool_data=str(demonstrations or ""),
        max_new_tokens=max_new_tokens,
    )


def _with_tools(episode: Episode, shared: tuple[Mapping[str, Any], ...] | None) -> Episode:
    return episode if shared is None or episode.tools else replace(episode, tools=shared)


def _read_tools(path: Path | str) -> tuple[Mapping[str, Any], ...]:
    try:
        tools = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the tools of the rows, {path} ({error}).") from None
    check(isinstance(tools, list), str(path), tools, "it must be a list of tool schemas")
    return tuple(tools)


def _read(path: Path | str, name: str) -> list[Placed]:
    rows: list[Placed] = []
    first: dict[str, str] = {}
    try:
        for number, (where, row) in enumerate(read_json_lines(Path(path))):
            episode = parse_row(row, where, source=name, number=number)
            if (earlier := first.setdefault(episode.id, where)) != where:
                raise UserError(f"{where} has the id {episode.id!r} of {earlier}; every row needs its own.")
            rows.append(Placed(where, episode))
    except RecursionError:
        raise UserError(
            f"{path}, row {len(rows) + 1}, nests too deep to be read. Mend or remove it."
        ) from None
    if not rows:
        raise UserError(f"{path} holds no row; give JSON lines, each an object with a field 'prompt'.")
    return rows


def _refuse_evaluated(rows: Sequence[Placed], evaluated: Sequence[Placed], what: str) -> None:
    """Evaluated answers must not be known: every question that stands in both is a leak."""
    asked = {same_question(row.episode.question): row.where for row in evaluated}
    found = [(row, asked[form]) for row in rows if (form := same_question(row.episode.question)) in asked]
    if found:
        row, where = found[0]
        more = f" (and {len(found) - 1} more rows like it)" if len(found) > 1 else ""
        raise UserError(
            f"{row.where} is a {what} and asks what {where} evaluates{more}: {row.episode.question!r:.60}. "
            "Remove it from one of the files."
        )


def _check_labels(evaluated: Sequence[Placed], metric: NamedMetric) -> None:
    for row in evaluated:
        try:
            metric.check(row.episode.reference)
        except UserError as error:
            raise UserError(f"{row.where}, metric {metric.spec!r}: {error}") from None


def _without(learned: list[Placed], shown: Sequence[Placed]) -> list[Placed]:
    """The rows that no demonstration asks."""
    questions = {same_question(row.episode.question) for row in shown}
    kept = [row for row in learned if same_question(row.episode.question) not in questions]
    if dropped := len(learned) - len(kept):
        logger.warning("%d rows to learn from are demonstrations and left out", dropped)
    return kept


def _apart(prompt: Prompt) -> tuple[str | None, tuple[Message, ...]]:
    """The text of the system turn, if any, and the other turns."""
    turns = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else prompt
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
