"""Constraints that a finished answer keeps anyway, with arguments measured on it; None where it does not."""

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from scripts.make_sample.ifeval_topics import Topic

Arguments = dict[str, Any]
_DULL = frozenset(
    ["about", "after", "again", "already", "always", "because", "before", "being", "could", "every",
     "everyone", "never", "often", "please", "section", "something", "still", "their", "there", "these",
     "those", "though", "title", "until", "where", "which", "while", "without", "would", "yours"]
)  # fmt: skip


def _content_words(text: str) -> list[str]:
    return sorted(set(re.findall(r"\b[a-z]{5,}\b", text.lower())) - _DULL)


def _keywords(text: str, topic: Topic, rng: random.Random) -> Arguments:
    return {"keywords": sorted(rng.sample(_content_words(text), 2))}


def _frequency(text: str, topic: Topic, rng: random.Random) -> Arguments:
    counts = {word: text.lower().count(word) for word in _content_words(text)}
    most = max(counts, key=lambda word: (counts[word], word))
    if counts[most] > 1:
        return {"keyword": most, "relation": "at least", "frequency": counts[most]}
    word = rng.choice(list(counts))
    return {"keyword": word, "relation": "less than", "frequency": counts[word] + rng.randint(2, 3)}


def _forbidden(text: str, topic: Topic, rng: random.Random) -> Arguments | None:
    absent = not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in topic.forbidden)
    return {"forbidden_words": topic.forbidden} if absent else None


def _letter(text: str, topic: Topic, rng: random.Random) -> Arguments:
    if rng.random() < 0.4:
        letter = rng.choice("jqvxz")
        limit = text.lower().count(letter) + rng.randint(1, 3)
        return {"letter": letter, "let_relation": "less than", "let_frequency": max(2, limit)}
    letter = rng.choice("aeilnorst")
    return {
        "letter": letter,
        "let_relation": "at least",
        "let_frequency": max(1, int(text.lower().count(letter) * rng.uniform(0.5, 1))),
    }


def _words(text: str, topic: Topic, rng: random.Random) -> Arguments:
    count = len(re.findall(r"\w+", text))
    if rng.random() < 0.5:
        return {"relation": "at least", "num_words": count // 5 * 5}
    return {"relation": "less than", "num_words": (count // 10 + rng.randint(1, 2)) * 10}


def _sentences(text: str, topic: Topic, rng: random.Random) -> Arguments:
    count = len(re.findall(r"[.?!](?=\s|$)", text))
    if rng.random() < 0.5:
        return {"relation": "at least", "num_sentences": count}
    return {"relation": "less than", "num_sentences": count + rng.randint(1, 2)}


def _no_comma(text: str, topic: Topic, rng: random.Random) -> Arguments | None:
    return None if "," in text else {}


MEASURES: Mapping[str, Callable[[str, Topic, random.Random], Arguments | None]] = {
    "keywords:existence": _keywords,
    "keywords:frequency": _frequency,
    "keywords:forbidden_words": _forbidden,
    "keywords:letter_frequency": _letter,
    "length_constraints:number_words": _words,
    "length_constraints:number_sentences": _sentences,
    "punctuation:no_comma": _no_comma,
}
