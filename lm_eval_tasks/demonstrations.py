"""Which k solved examples a prompt shows: seeded, and never a row that is evaluated or trained on.

The same `DemonstrationPicker` serves the few-shot evaluation and the distillation teacher, so that the gap
which is measured is the gap which is distilled.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompts import user_prompt
from lm_eval_tasks.schemas import Example, same_question

Mode = Literal["fixed", "per_example", "shuffled", "zero"]
"""How demonstrations are chosen.

- `fixed`: the same k for every question (their computation can be shared);
- `per_example`: k others for each question, seeded by the seed and the question's id;
- `shuffled`: as `fixed`, with the answers permuted among them (a causal control);
- `zero`: none (a causal control).
"""
MODES: tuple[str, ...] = get_args(Mode)

DEFAULT_SEED = 42


@dataclass(frozen=True)
class DemonstrationPicker:
    """Picks demonstrations from a pool.

    Attributes:
        pool: Solved examples, none of them evaluated (see `without_overlap`).
        k: How many are shown.
        mode: See `Mode`.
        seed: The first k of a seeded order are shown, so the k of a smaller k are among those of a larger.

    Raises:
        UserError: unknown mode, negative k, or a pool that is too small.
    """

    pool: Sequence[Example]
    k: int
    mode: Mode = "fixed"
    seed: int = DEFAULT_SEED

    def __post_init__(self) -> None:
        """Refuse what could not be served for every question."""
        if self.mode not in MODES:
            raise UserError(f"demonstrations: mode is {self.mode!r}; choose from {', '.join(MODES)}.")
        if self.k < 0:
            raise UserError(f"demonstrations: num_fewshot is {self.k}; it must be 0 or more.")
        # One more than k, so that a question of the pool itself can be left out.
        if self.mode != "zero" and self.k and len(self.pool) < self.k + 1:
            raise UserError(
                f"demonstrations: num_fewshot {self.k} needs a pool of at least {self.k + 1} rows, and "
                f"it has {len(self.pool)}. Lower num_fewshot or give more training rows."
            )

    @cached_property
    def fixed(self) -> list[Example]:
        """The k that `fixed` and `shuffled` show to every question."""
        chosen = _balanced(self.pool, random.Random(self.seed))[: self.k]
        return _rotate_answers(chosen) if self.mode == "shuffled" else chosen

    def pick(self, example: Example) -> list[Example]:
        """The demonstrations for one question, never the question itself.

        Raises:
            UserError: `fixed` demonstrations include the question; drop it with `without_overlap` first.
        """
        if self.mode == "zero" or self.k == 0:
            return []
        question = same_question(example.question)
        if self.mode == "per_example":
            # A string seeds the same way in every process and Python version.
            rng = random.Random(f"{self.seed}/{example.id}")
            candidates = rng.sample(self.pool, self.k + 1) if example.benchmark != "csqa" else None
            ordered = candidates or _balanced(self.pool, rng)
            return [shown for shown in ordered if same_question(shown.question) != question][: self.k]
        chosen = self.fixed
        if any(same_question(shown.question) == question for shown in chosen):
            raise UserError(
                f"{example.benchmark} {example.id} is one of its own demonstrations. Remove the fixed "
                "demonstrations from the rows that are trained on or evaluated."
            )
        return chosen


def without_overlap(pool: Sequence[Example], evaluated: Iterable[Example]) -> tuple[list[Example], int]:
    """The rows of `pool` whose question is not among `evaluated`, and how many were dropped."""
    questions = {same_question(user_prompt(example)) for example in evaluated}
    kept = [example for example in pool if same_question(user_prompt(example)) not in questions]
    return kept, len(pool) - len(kept)


def without_repeats(examples: Iterable[Example]) -> tuple[list[Example], int]:
    """The rows without those that ask what an earlier one asks, and how many were dropped."""
    kept: dict[str, Example] = {}
    dropped = 0
    for example in examples:
        first = kept.setdefault(same_question(user_prompt(example)), example)
        dropped += first is not example
    return list(kept.values()), dropped


def _balanced(pool: Sequence[Example], rng: random.Random) -> list[Example]:
    """The pool in seeded order; CSQA's in rounds of all five answer letters, so that none is favoured."""
    order = rng.sample(pool, len(pool))
    if not pool or pool[0].benchmark != "csqa":
        return order
    by_letter: dict[str, list[Example]] = {}
    for example in order:
        by_letter.setdefault(example.target, []).append(example)
    letters = rng.sample(sorted(by_letter), len(by_letter))
    rounds = max(len(rows) for rows in by_letter.values())
    return [by_letter[letter][i] for i in range(rounds) for letter in letters if i < len(by_letter[letter])]


def _rotate_answers(chosen: Sequence[Example]) -> list[Example]:
    """Every question with its neighbour's answer."""
    answers = [*chosen[1:], *chosen[:1]]
    return [
        replace(question, completion=answer.completion, target=answer.target)
        for question, answer in zip(chosen, answers, strict=True)
    ]
