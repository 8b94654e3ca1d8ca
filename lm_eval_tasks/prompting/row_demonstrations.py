"""Which demonstrations a row is shown."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, get_args

from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.schemas import same_question

Mode = Literal["listed", "fixed", "per_example", "shuffled", "zero"]
"""How demonstrations are chosen.

- `listed`: the first k of the pool, in its order;
- `fixed`: the same k, drawn once, for every row;
- `per_example`: k others for each row, seeded by the seed and the row's id;
- `shuffled`: as `listed`, each question with its neighbour's answer (a causal control);
- `zero`: none (a causal control).
"""
MODES: tuple[str, ...] = get_args(Mode)

Pick = Callable[[Episode], list[Episode]]


def picker(pool: Sequence[Episode], k: int, *, mode: str = "listed", seed: int = 42) -> Pick:
    """A function that picks the k demonstrations of a row, never the row itself.

    Args:
        pool: Rows with a completion.
        k: How many are shown.
        mode: See `Mode`.
        seed: Of those that are drawn.

    Raises:
        UserError: an unknown mode, or a pool that is too small.
    """
    if mode not in MODES:
        raise UserError(f"demonstrations: mode is {mode!r}; choose from {', '.join(MODES)}.")
    if k <= 0 or mode == "zero":
        return lambda episode: []
    if len(pool) < k:
        raise UserError(
            f"demonstrations: num_fewshot {k} needs as many demonstrations, and there are {len(pool)}. Lower "
            "num_fewshot or give more."
        )
    if mode == "shuffled" and k == 1:
        raise UserError("demonstrations: shuffled needs two or more, to exchange their answers; give more.")
    if mode == "per_example":
        return lambda episode: _first(
            random.Random(f"{seed}/{episode.id}").sample(pool, len(pool)), k, episode
        )
    ordered = random.Random(seed).sample(pool, len(pool)) if mode == "fixed" else list(pool)
    if mode == "shuffled":
        shown = ordered[:k]
        ordered = [
            replace(question, completion=answer.completion)
            for question, answer in zip(shown, [*shown[1:], shown[0]], strict=True)
        ]
    return lambda episode: _first(ordered, k, episode)


def _first(ordered: Sequence[Episode], k: int, episode: Episode) -> list[Episode]:
    """The first k that ask something else than `episode`.

    Raises:
        UserError: there are fewer.
    """
    question = same_question(episode.question)
    shown = [other for other in ordered if same_question(other.question) != question][:k]
    if len(shown) < k:
        raise UserError(
            f"demonstrations: {len(shown)} are left for the row {episode.id!r}, which is one of them; lower "
            f"num_fewshot {k} or give more."
        )
    return shown
