"""Any task, group or tag of lm-evaluation-harness as a source of episodes, by name or YAML path."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api.task import ConfigurableTask

from lm_eval_tasks.episodes import Episode, Prompt
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.lm_eval_loading import Loaded, load
from lm_eval_tasks.sources.lm_eval_metrics import Metric
from lm_eval_tasks.sources.lm_eval_single import LmEvalPicker, LmEvalTask, Options

logger = logging.getLogger(__name__)


def open_lm_eval_task(
    name_or_path: str,
    *,
    chat: bool,
    train_split: str | None = None,
    demonstrations: str = "fixed",
    seed: int = 42,
    num_fewshot: int | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> "LmEvalSource":
    """Load a task, group or tag.

    Args:
        name_or_path: A name that lm-eval knows (`lm_eval:` before it is allowed), or the path of a YAML file.
        chat: Whether prompts are chat messages; else plain text, for a model without a chat template.
        train_split: The split to learn from; default: the task's training split.
        demonstrations: One of `prompting.demonstrations.MODES`. A task that lists its own (`first_n`, or
            `fewshot_config.samples`) shows those where `fixed` is asked for.
        seed: Of the draw.
        num_fewshot: Demonstrations of the few-shot view; default: the task's, else 0.
        metadata: Passed on to the task, as `lm_eval --metadata` does.

    Raises:
        UserError: there is no such task, it cannot be asked, or `train_split` cannot be learnt from.
    """
    loaded = load(name_or_path, metadata)
    options = Options(chat, train_split, demonstrations, seed, num_fewshot)
    if not loaded.is_collection:
        return LmEvalTask(loaded.tasks[0], loaded.manager, options)
    return LmEvalGroup(loaded, options)


class LmEvalGroup:
    """The tasks of a group or tag, pooled to learn from and evaluated apart; a `Source`.

    Attributes:
        name: `lm_eval:NAME`.
        members: One source per single task.
        num_fewshot: The largest of its members'.
        manager: For `simple_evaluate(task_manager=...)`.
    """

    def __init__(self, loaded: Loaded, options: Options) -> None:
        self.name = f"lm_eval:{loaded.name}"
        self.manager = loaded.manager
        self.members = [LmEvalTask(task, loaded.manager, options) for task in loaded.tasks]
        for member in self.members:
            member.rows.family = [other.rows for other in self.members]
        self.num_fewshot = max(member.num_fewshot for member in self.members)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that all members have, in the first one's order."""
        first, *others = self.members
        return tuple(m for m in first.metrics if all(m in other.metrics for other in others))

    @property
    def left_out(self) -> dict[str, int]:
        """As its members' together."""
        keys = ("evaluated", "demonstrations")
        return {key: sum(member.left_out[key] for member in self.members) for key in keys}

    def train(self) -> list[Episode]:
        """The members' training rows, of those that have some.

        Raises:
            UserError: no member has any.
        """
        return [row for member in self._learning() for row in member.train()]

    def evaluation(self) -> list[Episode]:
        """The members' evaluated rows, member by member."""
        return [row for member in self.members for row in member.evaluation()]

    def pool(self) -> list[Episode]:
        """The members' pools."""
        return [row for member in self.members for row in member.pool()]

    def show(
        self, episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
    ) -> Prompt:
        """As the episode's member shows it."""
        return self._member(episode).show(episode, demonstrations, system=system)

    @property
    def demonstration_mode(self) -> str:
        """As its members'."""
        return self.members[0].demonstration_mode

    def picker(self, k: int, mode: str | None = None, seed: int = 42) -> "GroupPicker":
        """Chooses each row's demonstrations among its own task's."""
        return GroupPicker({member.name: member.picker(k, mode, seed) for member in self.members})

    def demonstrations(self, episode: Episode, k: int | None = None) -> list[Episode]:
        """As the episode's member chooses them; k: default: the member's."""
        return self._member(episode).demonstrations(episode, k)

    def taught(self, k: int | None = None, *, system: str | None = None) -> list[Episode]:
        """`train` with what the teacher reads."""
        return [row for member in self._learning() for row in member.taught(k, system=system)]

    def tasks(self, k: int | None = None) -> list[ConfigurableTask]:
        """`LmEvalTask.harness_task` of every member; k: default: the member's."""
        return [member.harness_task(k) for member in self.members]

    def _learning(self) -> list[LmEvalTask]:
        learning = [member for member in self.members if member.rows.learns]
        if len(learning) < len(self.members):
            logger.warning(
                "%s: %d of %d members have training rows", self.name, len(learning), len(self.members)
            )
        # Where none has any, the first one says what to do.
        return learning or self.members[:1]

    def _member(self, episode: Episode) -> LmEvalTask:
        for member in self.members:
            if member.name == episode.source:
                return member
        raise UserError(
            f"{self.name}: {episode.id} is no row of it; its prompts can show its own rows alone."
        )


class GroupPicker:
    """Demonstrations of a group's members; a `Picker`."""

    def __init__(self, pickers: Mapping[str, LmEvalPicker]) -> None:
        """`pickers` by the members' names."""
        self._pickers = pickers

    @property
    def fixed(self) -> list[Episode]:
        """Those of all members."""
        return [row for picker in self._pickers.values() for row in picker.fixed]

    def pick(self, episode: Episode) -> list[Episode]:
        """See `Picker`."""
        return self._pickers[episode.source].pick(episode)


LmEvalSource = LmEvalTask | LmEvalGroup
