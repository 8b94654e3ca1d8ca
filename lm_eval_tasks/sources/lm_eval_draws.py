"""Which rows of a pool are shown before a question: drawn once, seeded, never the question itself."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import check_choice

_FIRST_ROWS = 256
"""So many are drawn before the whole pool is put in order, which takes long for each of many questions."""


@dataclass(frozen=True)
class Draw:
    """Chooses rows of a pool by their index.

    Attributes:
        name: The task, for messages.
        size: Rows of the pool.
        question: `question(index)`: what a row asks; None: it may not be shown.
        k: How many are shown; those of a smaller k are among those of a larger.
        mode: See `prompting.demonstrations.Mode`; `per_example` is seeded by the seed and the question.
        seed: Of the order.
        chosen: The rows that the task's own sampler chose for `fixed`; None: they are drawn here.

    Raises:
        UserError: unknown mode, negative k, or a pool that holds too few rows.
    """

    name: str
    size: int
    question: Callable[[int], str | None]
    k: int
    mode: str
    seed: int
    chosen: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Refuse what serves no question."""
        check_choice(self.mode, self.k)

    @cached_property
    def fixed(self) -> list[int]:
        """The rows that every question sees; of `per_example`, none."""
        if self.mode in ("zero", "per_example"):
            return []
        if self.chosen is not None:
            order: Iterator[int] = iter(self.chosen)
        elif self.mode == "listed":
            order = iter(range(self.size))
        else:
            order = _order(random.Random(self.seed), self.size)
        # What the task lists is shown as it stands, repeats too.
        return self._first(order, set(), repeats=self.chosen is not None or self.mode == "listed")

    def pick(self, asked: str) -> list[int]:
        """The rows before the question `asked`.

        Raises:
            UserError: the question is one of the fixed demonstrations.
        """
        if self.mode == "per_example":
            return self._first(_order(random.Random(f"{self.seed}/{asked}"), self.size), {asked})
        if any(self.question(index) == asked for index in self.fixed):
            raise UserError(
                f"{self.name}: a row is one of its own demonstrations. Leave the fixed demonstrations out of "
                "the rows that are trained on, or take per_example."
            )
        return self.fixed

    def _first(self, order: Iterator[int], seen: set[str], *, repeats: bool = False) -> list[int]:
        rows: list[int] = []
        while len(rows) < self.k and (index := next(order, None)) is not None:
            question = self.question(index)
            if question is not None and (repeats or question not in seen):
                seen.add(question)
                rows.append(index)
        if len(rows) < self.k:
            raise UserError(
                f"{self.name}: num_fewshot {self.k} needs as many solved rows that are not evaluated, and "
                f"its pool of {self.size} has {len(rows)}. Lower num_fewshot, or name a --train_split."
            )
        return rows


def _order(rng: random.Random, size: int) -> Iterator[int]:
    first = rng.sample(range(size), min(size, _FIRST_ROWS))
    yield from first
    if size > len(first):
        seen = set(first)
        yield from (index for index in rng.sample(range(size), size) if index not in seen)
