"""Which k solved examples a prompt shows: seeded, and never a row that is evaluated or trained on.

The same `DemonstrationPicker` serves the few-shot evaluation and the distillation teacher, so that the gap
which is measured is the gap which is distilled.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from lm_eval_tasks.episodes import Episode, prompt_text, same_question
from lm_eval_tasks.errors import UserError

Mode = Literal["fixed", "per_example", "shuffled", "zero", "listed"]
"""How demonstrations are chosen.

- `fixed`: the same k for every question (their computation can be shared);
- `per_example`: k others for each question, seeded by the seed and the question's id;
- `shuffled`: as `fixed`, with the answers permuted among them (a causal control);
- `zero`: none (a causal control);
- `listed`: the first k of the pool in its own order, for those that someone chose by hand.
"""
MODES: tuple[str, ...] = get_args(Mode)
CONTROLS = ("shuffled", "zero")
"""Those that a teacher reads in the place of real ones, to see what it learns without them."""

DEFAULT_SEED = 42


def check_choice(mode: str, k: int) -> None:
    """Refuse a choice of demonstrations that serves no question.

    Raises:
        UserError: unknown mode, negative k, or one demonstration whose answer is to be exchanged.
    """
    if mode not in MODES:
        raise UserError(f"demonstrations: mode is {mode!r}; choose from {', '.join(MODES)}.")
    if k < 0:
        raise UserError(f"demonstrations: num_fewshot is {k}; it must be 0 or more.")
    if mode == "shuffled" and k == 1:
        raise UserError(
            "demonstrations: shuffled needs two or more, to exchange their answers; raise num_fewshot."
        )


@dataclass(frozen=True)
class DemonstrationPicker:
    """Picks demonstrations from a pool.

    Attributes:
        pool: Solved episodes, none of them evaluated (see `without_overlap`).
        k: How many are shown.
        mode: See `Mode`.
        seed: The first k of a seeded order are shown, so the k of a smaller k are among those of a larger.

    Raises:
        UserError: unknown mode, negative k, or a pool that is too small.
    """

    pool: Sequence[Episode]
    k: int
    mode: Mode = "fixed"
    seed: int = DEFAULT_SEED

    def __post_init__(self) -> None:
        """Refuse what could not be served for every question."""
        check_choice(self.mode, self.k)
        # One more than k where they are drawn, so that a question of the pool itself can be left out.
        needed = self.k if self.mode == "listed" else self.k + 1
        if self.mode != "zero" and self.k and len(self.pool) < needed:
            raise UserError(
                f"demonstrations: num_fewshot {self.k} needs a pool of at least {needed} rows, and "
                f"it has {len(self.pool)}. Lower num_fewshot or give more training rows."
            )

    @cached_property
    def fixed(self) -> list[Episode]:
        """The k that `fixed`, `shuffled` and `listed` show to every question."""
        if self.mode == "listed":
            return list(self.pool[: self.k])
        chosen = _balanced(self.pool, random.Random(self.seed))[: self.k]
        return _rotate_answers(chosen) if self.mode == "shuffled" else chosen

    def pick(self, episode: Episode) -> list[Episode]:
        """The demonstrations for one question, never the question itself.

        Raises:
            UserError: `fixed` demonstrations include the question; drop it with `without_overlap` first.
        """
        if self.mode == "zero" or self.k == 0:
            return []
        question = same_question(episode.question)
        if self.mode == "per_example":
            # A string seeds the same way in every process and Python version.
            rng = random.Random(f"{self.seed}/{episode.id}")
            stratified = bool(self.pool[0].stratum)
            ordered = _balanced(self.pool, rng) if stratified else rng.sample(self.pool, self.k + 1)
            return [shown for shown in ordered if same_question(shown.question) != question][: self.k]
        chosen = self.fixed
        if any(same_question(shown.question) == question for shown in chosen):
            raise UserError(
                f"{episode.source} {episode.id} is one of its own demonstrations. Remove the fixed "
                "demonstrations from the rows that are trained on or evaluated."
            )
        return chosen


def without_overlap(pool: Sequence[Episode], evaluated: Iterable[Episode]) -> tuple[list[Episode], int]:
    """The rows of `pool` whose question is not among `evaluated`, and how many were dropped.

    With other options or another answer format it is the same question.
    """
    questions = {same_question(episode.question) for episode in evaluated}
    kept = [episode for episode in pool if same_question(episode.question) not in questions]
    return kept, len(pool) - len(kept)


def without_repeats(episodes: Iterable[Episode]) -> tuple[list[Episode], int]:
    """The rows without those that ask what an earlier one asks, and how many were dropped."""
    kept: dict[str, Episode] = {}
    dropped = 0
    for episode in episodes:
        first = kept.setdefault(_asked(episode), episode)
        dropped += first is not episode
    return list(kept.values()), dropped


def _asked(episode: Episode) -> str:
    """All that is asked, options and formats included, in the form in which it is compared."""
    return same_question(prompt_text(episode.prompt))


def _balanced(pool: Sequence[Episode], rng: random.Random) -> list[Episode]:
    """The pool in seeded order; where it has strata, in rounds of all of them, so that none is favoured."""
    order = rng.sample(pool, len(pool))
    if not pool or not pool[0].stratum:
        return order
    strata: dict[str, list[Episode]] = {}
    for episode in order:
        strata.setdefault(episode.stratum, []).append(episode)
    names = rng.sample(sorted(strata), len(strata))
    rounds = max(len(rows) for rows in strata.values())
    return [strata[name][i] for i in range(rounds) for name in names if i < len(strata[name])]


def _rotate_answers(chosen: Sequence[Episode]) -> list[Episode]:
    """Every question with its neighbour's answer."""
    answers = [*chosen[1:], *chosen[:1]]
    return [
        replace(question, completion=answer.completion)
        for question, answer in zip(chosen, answers, strict=True)
    ]
