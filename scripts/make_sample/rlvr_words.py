"""Builders for the constraints on words, letters and languages; see `rlvr_shapes`."""

import random
import re
from collections.abc import Callable

from scripts.make_sample.ifeval_topics import Topic, load, render
from scripts.make_sample.rlvr_case import (
    QUANTIFIERS,
    Builder,
    Case,
    UnfitError,
    ask_for,
    base_text,
    long_words,
    words_of,
)


def keywords(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Two words of the text; the breaking response lacks the first."""
    chosen = rng.sample(long_words(topic), 2)
    base = base_text(topic)
    broken = re.sub(re.escape(chosen[0]), "thing", base, flags=re.IGNORECASE)
    constraint = f"Use these keywords: {chosen[0]}, {chosen[1]}."
    return Case(ask_for(topic, turn), "Include keywords", constraint, base, broken, {"keyword_list": chosen})


def keyword_frequency(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A word as often as it stands in the text; the breaking response says it once more."""
    base, word = base_text(topic), rng.choice(long_words(topic))
    number = words_of(base).count(word)
    return Case(
        ask_for(topic, turn), "Keyword frequency",
        f'The word "{word}" should appear exactly {number} time{"s" * (number > 1)}.',
        base, f"{base} Again: {word.capitalize()}!", {"word": word, "N": number},
    )  # fmt: skip


def forbidden_words(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Words that the topic avoids; the breaking response has one, in capitals."""
    base, banned = base_text(topic), topic.forbidden
    return Case(
        ask_for(topic, turn), "Forbidden words", f"Do not use these words: {', '.join(banned)}.",
        base, f"{base} {rng.choice(banned).upper()} is another matter.", {"forbidden_words": banned},
    )  # fmt: skip


def letter_frequency(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A lower-case letter as often as it stands in the text; the breaking response has one more."""
    base, letter = base_text(topic), rng.choice("aeiostr")
    number = sum(character == letter for character in base)
    return Case(
        ask_for(topic, turn), "Letter frequency",
        f"In your response, the letter {letter} should appear exactly {number} times.",
        base, f"{base} {letter}", {"letter": letter, "N": number},
    )  # fmt: skip


def response_language(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A text in another language; the breaking response is English."""
    entries = [entry for entry in load("languages")["train"] if entry["language"] != "en"]
    entry = entries[(turn * 3) % len(entries)]
    constraint = f"Your entire response must be in {entry['name']}; no other language is allowed."
    return Case(
        entry["ask"], "Response language", constraint, entry["text"], base_text(topic),
        {"language": entry["language"]},
    )  # fmt: skip


def quantified(kind: str, noun: str, count: Callable[[str], int]) -> Builder:
    """A builder for `at least`, `at most` and `around` as many as the text has, in turn."""

    def build(topic: Topic, turn: int, rng: random.Random) -> Case:
        quantifier = QUANTIFIERS[turn % 3]
        base, sentences = base_text(topic), render(topic.text)
        number = count(base)
        # One sentence is far too short, and the text three times over far too long.
        broken = " ".join([base] * 3) if quantifier == "at most" else sentences[0]
        return Case(
            ask_for(topic, turn), kind, f"Answer with {quantifier} {number} {noun}.", base, broken,
            {"N": number, "quantifier": quantifier},
        )  # fmt: skip

    return build


def plain_sentences(text: str) -> int:
    """Sentences of a text without abbreviations; topics that have some are unfit."""
    if re.search(r"\w\.\w|\b[A-Z][a-z]\.|[.?!]{2}|[.?!][\"')]", text):
        raise UnfitError
    return len(re.findall(r"[.?!](?= |$)", text))


def uppercase(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Capitals; one lower-case word breaks it."""
    base = base_text(topic).upper()
    constraint = "Your entire response should be in capital letters only."
    return Case(ask_for(topic, turn), "All Uppercase", constraint, base, f"{base} really")


def lowercase(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Lower case; one capital breaks it."""
    base = base_text(topic).lower()
    constraint = "Your entire response should be in lowercase letters; no capital letters are allowed."
    return Case(ask_for(topic, turn), "All Lowercase", constraint, base, f"{base} Really")


def capital_words(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Words in capitals, all others without any; the breaking response has none, or thrice as many."""
    number, quantifier = 4 + turn, QUANTIFIERS[turn % 3]
    words = base_text(topic).lower().split()
    plain = [place for place, word in enumerate(words) if word.isascii() and word.isalpha() and len(word) > 2]
    if len(plain) < 3 * number:
        raise UnfitError

    def shouted(count: int) -> str:
        return " ".join(w.upper() if place in plain[:count] else w for place, w in enumerate(words))

    broken = shouted(3 * number) if quantifier == "at most" else shouted(0)
    return Case(
        ask_for(topic, turn), "Frequency of All-capital Words",
        f"Words with all capital letters should appear {quantifier} {number} times.",
        shouted(number), broken, {"N": number, "quantifier": quantifier},
    )  # fmt: skip


def no_commas(topic: Topic, turn: int, rng: random.Random) -> Case:
    """No comma; the breaking response has one."""
    base = base_text(topic).replace(",", "")
    constraint = "In your entire response, do not use any commas."
    return Case(ask_for(topic, turn), "No Commas", constraint, base, f"{base} Well, nearly.")
