"""A task that is learnt from other rows than its own: a user's pool of inputs, labelled or not."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lm_eval_tasks.episodes import Episode, Message, Picker, Prompt, Source, prompt_text, same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.json_lines import read_episodes

logger = logging.getLogger(__name__)


class OtherInputs:
    """A source whose training rows are a file's; everything else is the task's own; a `Source`.

    An input stands where the task's question would: behind the same system turn and demonstrations, before the
    same beginning of an answer.

    Attributes:
        name: The task's.
        num_fewshot: The task's.
        demonstration_mode: The task's.
        members: The task's.
        left_out: Inputs that are evaluated.
    """

    def __init__(self, task: Source, inputs: str) -> None:
        """Read the inputs; those that ask what the task evaluates are left out, and counted.

        Args:
            task: What is evaluated.
            inputs: JSON lines; see `lm_eval_tasks.sources.row_format`.

        Raises:
            UserError: the file cannot be used, or every row of it is evaluated.
        """
        self._task = task
        self.name, self.num_fewshot, self.members = task.name, task.num_fewshot, task.members
        self.demonstration_mode = task.demonstration_mode
        evaluated = task.evaluation()
        forms = {same_question(form) for row in evaluated for form in (row.question, prompt_text(row.prompt))}
        self._bare = evaluated[0]
        rows = read_episodes(inputs, task.name)
        kept = [row for row in rows if same_question(row.question) not in forms]
        self.left_out = {"evaluated": len(rows) - len(kept)}
        if dropped := self.left_out["evaluated"]:
            logger.warning("%s: %d of %d rows are evaluated and left out", inputs, dropped, len(rows))
        if not kept:
            raise UserError(f"{inputs}: every row is evaluated by {task.name}; give other inputs.")
        self._turns: Mapping[str, tuple[Message, ...]] = {
            f"inputs/{row.id}": _turns(row, inputs) for row in kept
        }
        self._rows = [
            replace(row, id=id, prompt=self._placed(turns, (), None))
            for row, (id, turns) in zip(kept, self._turns.items(), strict=True)
        ]

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

    def _placed(
        self, turns: Sequence[Message], demonstrations: Sequence[Episode], system: str | None
    ) -> Prompt:
        whole = self._task.show(self._bare, demonstrations, system=system)
        if isinstance(whole, str):
            before, _, after = whole.rpartition(self._bare.question)
            return before + str(turns[-1]["content"]) + after
        at = max(place for place, turn in enumerate(whole) if turn["role"] == "user")
        return (*whole[:at], *turns, *whole[at + 1 :])


def _turns(row: Episode, path: str) -> tuple[Message, ...]:
    prompt = row.prompt
    turns = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else prompt
    if turns[0]["role"] == "system":
        raise UserError(
            f"{path}, row {row.id!r}: an input of another task has no system turn of its own; give what all rows "
            "share by --system_instruction."
        )
    return turns
