"""What the builders of RLVR-IFeval-like rows share: a case, and pieces of a topic's text."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.make_sample.ifeval_topics import Topic, render

Builder = Callable[[Topic, int, random.Random], "Case"]
QUANTIFIERS = ("at least", "at most", "around")


class UnfitError(Exception):
    """This topic cannot serve this constraint."""


@dataclass(frozen=True, slots=True)
class Case:
    """A constraint on a topic, and one response on each side of it."""

    ask: str
    kind: str
    constraint: str
    satisfying: str
    violating: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def words_of(text: str) -> list[str]:
    """The words of `text` in lower case."""
    return re.findall(r"\w+", text.lower())


def base_text(topic: Topic) -> str:
    """The topic's text without markup."""
    return " ".join(render(topic.text))


def long_words(topic: Topic) -> list[str]:
    """The different ASCII words of more than five letters, sorted."""
    return sorted({word for word in words_of(base_text(topic)) if len(word) > 5 and word.isascii()})


def ask_for(topic: Topic, turn: int) -> str:
    """One of the topic's requests, in turn."""
    return topic.asks[turn % len(topic.asks)]


def parts_of(topic: Topic, number: int) -> list[str]:
    """The text in `number` pieces, none empty."""
    sentences = render(topic.text)
    if len(sentences) < number:
        raise UnfitError
    return [*sentences[: number - 1], " ".join(sentences[number - 1 :])]
