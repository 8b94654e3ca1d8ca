"""A single task whose demonstrations are drawn from a pool of episodes: what such sources have in common."""

from typing import Self, cast

from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.prompting.demonstrations import DEFAULT_SEED, DemonstrationPicker, Mode


class PooledTask:
    """See `Source`.

    Attributes:
        demonstration_mode: How demonstrations are chosen unless told otherwise.
    """

    demonstration_mode: Mode

    @property
    def members(self) -> list[Self]:
        """Itself."""
        return [self]

    def pool(self) -> list[Episode]:
        """See `Source`."""
        raise NotImplementedError

    def picker(self, k: int, mode: str | None = None, seed: int = DEFAULT_SEED) -> DemonstrationPicker:
        """See `Source`.

        Raises:
            UserError: unknown mode, or too few demonstrations.
        """
        chosen = cast(Mode, mode or self.demonstration_mode)
        return DemonstrationPicker(self.pool() if k else [], k, chosen, seed)
