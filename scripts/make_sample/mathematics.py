"""MATH-like rows: every family of problems several times, in the schema of MATH-lighteval."""

import random
from collections.abc import Mapping
from typing import Any

from scripts.make_sample import math_algebra, math_numbers
from scripts.make_sample.math_family import Family

Row = Mapping[str, Any]
FAMILIES: tuple[Family, ...] = (*math_algebra.FAMILIES, *math_numbers.FAMILIES)
TRAIN_PER_FAMILY = 5
TEST_PER_FAMILY = 2


def build() -> tuple[list[Row], list[Row]]:
    """The rows of the train and the test split; a test row also has the field `answer`, as MATH-500 has."""
    rng = random.Random(16)
    train: list[Row] = []
    test: list[Row] = []
    for family in FAMILIES:
        rows = _rows(family, rng)
        train += rows[:TRAIN_PER_FAMILY]
        test += rows[TRAIN_PER_FAMILY:]
    rng.shuffle(train)
    rng.shuffle(test)
    return [{k: v for k, v in row.items() if k != "answer"} for row in train], test


def _rows(family: Family, rng: random.Random) -> list[Row]:
    rows: dict[str, Row] = {}
    while len(rows) < TRAIN_PER_FAMILY + TEST_PER_FAMILY:
        problem, steps, answer = family.make(rng)
        rows.setdefault(
            problem,
            {
                "problem": problem,
                "level": f"Level {family.level}",
                "type": family.type,
                "solution": rf"{steps} The answer is $\boxed{{{answer}}}$.",
                "answer": answer,
            },
        )
    return list(rows.values())
