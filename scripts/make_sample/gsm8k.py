"""GSM8K-like rows: every story of `gsm8k_stories` with several draws of its numbers."""

import random
import re
from collections.abc import Mapping
from typing import Any

from scripts.make_sample.arithmetic import evaluate
from scripts.make_sample.gsm8k_stories import PEOPLE, STORIES, Story

Row = Mapping[str, Any]
TRAIN_PER_STORY = 10
TEST_PER_STORY = 2

_FIELD = re.compile(r"\{([^{}]+)\}")
_NAME = re.compile(r"\b[a-z]\b")


class _Unfit(Exception):
    """The drawn numbers give a result that is no whole number above 1."""


def build() -> tuple[list[Row], list[Row]]:
    """The rows of the train and the test split; no two questions have the same numbers."""
    rng = random.Random(8)
    train: list[Row] = []
    test: list[Row] = []
    used: set[tuple[str, ...]] = set()
    for story in STORIES:
        rows = _rows(story, used, rng)
        train += rows[:TRAIN_PER_STORY]
        test += rows[TRAIN_PER_STORY:]
    rng.shuffle(train)
    rng.shuffle(test)
    return train, test


def _rows(story: Story, used: set[tuple[str, ...]], rng: random.Random) -> list[Row]:
    rows: list[Row] = []
    while len(rows) < TRAIN_PER_STORY + TEST_PER_STORY:
        numbers = {name: rng.choice(span) for name, span in story.numbers.items()}
        try:
            row = _row(story, numbers, rng)
        except _Unfit:
            continue
        key = tuple(re.findall(r"\d+", row["question"]))
        if key not in used:
            used.add(key)
            rows.append(row)
    return rows


def _row(story: Story, numbers: Mapping[str, int], rng: random.Random) -> Row:
    (name, he), (other, _) = rng.sample(PEOPLE, 2)
    words = {"name": name, "other": other, "he": he, "He": he.capitalize(), "thing": rng.choice(story.things)}
    values = dict(numbers)
    lines = [_fill(line, words, values) for line in story.solution]
    question = _fill(story.question, words, dict(numbers))
    return {"question": question, "answer": "\n".join([*lines, f"#### {list(values.values())[-1]}"])}


def _fill(template: str, words: Mapping[str, str], values: dict[str, int]) -> str:
    """Fills `{name}` fields; `{n = a * b}` computes, annotates and stores, `{$n = ...}` writes dollars."""

    def replace(match: re.Match[str]) -> str:
        content = match[1]
        if "=" not in content:
            return words[content] if content in words else str(values[content])
        target, expression = (part.strip() for part in content.split("="))
        result = evaluate(expression, values)
        if result.denominator != 1 or result < 2:
            raise _Unfit
        shown = _NAME.sub(lambda name: str(values[name[0]]), expression)
        values[target.lstrip("$")] = int(result)
        dollar = "$" if target.startswith("$") else ""
        return f"{shown} = {dollar}<<{shown.replace(' ', '')}={result}>>{result}"

    return _FIELD.sub(replace, template)
