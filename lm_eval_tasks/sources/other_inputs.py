"""A task that is learnt from other rows than its own: a user's pool of inputs, labelled or not."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from lm_eval_tasks.episodes import (
    Episode,
    Message,
    Picker,
    Prompt,
    Source,
    prompt_text,
    same_question,
    turns_of,
)
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.json_lines import read_episodes

logger = logging.getLogger(__name__)


class OtherInputs:
    """A source whose training rows are a file's; everything else is the task's own; a `Source`.

    An input is asked as it stands, in the place of all that the task's own question says: behind the same
    system turn and demonstrations, before the same beginning of an answer. A template or a format instruction
    of the task is not put around it, since no template can be filled from a text.

    Attributes:
        name: The task's.
        num_fewshot: The task's.
        demonstration_mode: The task's.
        members: The task's.
        left_out: Inputs that are evaluated.
        data: The file of the inputs, for the record.
        pool_data: Where demonstrations come from, for the record.
    """

    def __init__(self, task: Source, inputs: str) -> None:
        """Read the inputs; those that ask what the task evaluates are left out, and counted.

        Args:
            task: What is evaluated.
            inputs: JSON lines; see `lm_eval_tasks.sources.row_format`.

        Raises:
            UserError: the task is several, the file cannot be used, a row cannot stand in the place of a
                question, or every row is evaluated.
        """
        if len(task.members) > 1:
            names = ", ".join(member.name for member in task.members[:3])
            raise UserError(
                f"inputs: {task.name} is {len(task.members)} tasks ({names}, ...), each with questions of "
                "its own form; give the inputs of one of them, and its name as the task."
            )
        self._task = task
        self.name, self.num_fewshot, self.members = task.name, task.num_fewshot, task.members
        self.demonstration_mode = task.demonstration_mode
        self.data = str(inputs)
        evaluated = task.evaluation()
        self._own = evaluated[0]
        rows = read_episodes(inputs, task.name)
        kept = _not_evaluated(rows, evaluated)
        self.left_out = {"evaluated": len(rows) - len(kept)}
        if dropped := self.left_out["evaluated"]:
            logger.warning("%s: %d of %d rows are evaluated and left out", inputs, dropped, len(rows))
        if not kept:
            raise UserError(f"{inputs}: every row is evaluated by {task.name}; give other inputs.")
        logger.info("%s: asked as they stand, in the place of such as %r", inputs, _last_turn(self._own))
        self._turns = {f"inputs/{row.id}": self._checked(row) for row in kept}
        self._rows = [
            self._placed_row(row, id, turns)
            for row, (id, turns) in zip(kept, self._turns.items(), strict=True)
        ]

    @property
    def pool_data(self) -> str | None:
        """See the class."""
        return getattr(self._task, "pool_data", None)

    def train(self) -> list[Episode]:
        """The inputs."""
        return list(self._rows)

    def evaluation(self) -> list[Episode]:
        """The task's."""
        return self._task.evaluation()

    def pool(self) -> list[Episode]:
        """The task's."""
        return self._task.pool()

    def picker(self, k: int, mode: str | None = None, seed: int = 42) -> Picker:
        """The task's."""
        return self._task.picker(k, mode, seed)

    def show(
        self, episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
    ) -> Prompt:
        """An input in the place of the task's own question; a row of the task as the task shows it."""
        turns = self._turns.get(episode.id)
        if turns is None:
            return self._task.show(episode, demonstrations, system=system)
        return self._placed(turns, demonstrations, system)

    def _placed_row(self, row: Episode, id: str, turns: Sequence[Message]) -> Episode:
        completion = row.completion
        if completion is not None and isinstance(self._own.prompt, str):
            completion = self._delimiter() + completion.lstrip()
        return replace(row, id=id, prompt=self._placed(turns, (), None), completion=completion)

    def _placed(
        self, turns: Sequence[Message], demonstrations: Sequence[Episode], system: str | None
    ) -> Prompt:
        whole = self._task.show(self._own, demonstrations, system=system)
        if isinstance(whole, str):
            before, asked, after = whole.rpartition(_question(self._own))
            if not asked:
                raise UserError(
                    f"inputs: {self.name} has no question as a text of its own in its prompts, so no other "
                    "can stand in its place; use a model with a chat template, or the task's own rows."
                )
            return before + str(turns[0]["content"]) + after
        at = max(place for place, turn in enumerate(whole) if turn["role"] == "user")
        return (*whole[:at], *turns, *whole[at + 1 :])

    def _delimiter(self) -> str:
        """What stands between question and answer in plain text, where a row of the task tells."""
        answer, target = self._own.completion or "", str(self._own.reference.get("target") or "")
        return answer.removesuffix(target) if target and answer.endswith(target) else " "

    def _checked(self, row: Episode) -> tuple[Message, ...]:
        """The turns of an input, which the task's prompts can hold."""
        turns = turns_of(row.prompt)
        if turns[0]["role"] == "system":
            raise UserError(
                f"{self.data}, row {row.id!r}: an input of another task has no system turn of its own; give "
                "what all rows share by --system_instruction."
            )
        plain = isinstance(self._own.prompt, str)
        if plain and (len(turns) > 1 or row.tools or row.teacher_prompt is not None):
            raise UserError(
                f"{self.data}, row {row.id!r}: a model without a chat template reads a text alone; give the "
                "input as one, without further turns, tools or teacher_prompt."
            )
        return turns


def _not_evaluated(rows: Sequence[Episode], evaluated: Sequence[Episode]) -> list[Episode]:
    """The inputs that ask no evaluated question, in any of the forms that one may be written in."""
    forms = {
        same_question(form)
        for row in evaluated
        for form in (row.question, _question(row), prompt_text(row.prompt), _last_turn(row))
    }
    return [row for row in rows if same_question(row.question) not in forms]


def _question(row: Episode) -> str:
    """What is asked, without the options that lm-eval's questions are compared by."""
    options = sorted(map(str, row.reference.get("choices", ())))
    return row.question.removesuffix("\n" + "\n".join(options)) if options else row.question


def _last_turn(row: Episode) -> str:
    """What the user says last."""
    return next(str(turn["content"]) for turn in reversed(turns_of(row.prompt)) if turn["role"] == "user")
