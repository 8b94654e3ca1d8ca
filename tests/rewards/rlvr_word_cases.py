"""Texts with verdicts for the RLVR functions on words, letters and languages; see test_rlvr_verdicts.

`words` is the vocabulary: no word is part of another, and none can be read across a space.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any

Case = tuple[str, dict[str, Any], bool]
QUANTIFIERS = ("at least", "at most", "around")


def shuffled_text(rng: random.Random, words: list[str]) -> str:
    changed = [rng.choice([str.lower, str.upper, str.capitalize])(word) for word in words]
    rng.shuffle(changed)
    return rng.choice(["{}", "{}!", "So: {}?"]).format(" ".join(changed))


def within(count: int, wanted: int, quantifier: str, slack: int) -> bool:
    if quantifier == "around":
        return wanted - slack <= count <= wanted + slack
    return count >= wanted if quantifier == "at least" else count <= wanted


def verify_keywords(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        present = rng.sample(words, rng.randint(1, 6))
        wanted = rng.sample(words, rng.randint(1, 3))
        yield shuffled_text(rng, present), {"keyword_list": wanted}, set(wanted) <= set(present)
    yield "A CARTOON", {"keyword_list": ["Art"]}, True  # inside a word, any case
    yield "well done", {"keyword_list": ["well-done"]}, False
    yield "anything", {"keyword_list": []}, True  # nothing is missing
    yield "anything", {"keyword_list": "any"}, False  # not a list: cannot be judged


def verify_keyword_frequency(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        word, others = words[0], words[1:]
        count, wanted = rng.randint(0, 4), rng.randint(0, 4)
        text = shuffled_text(rng, [word] * count + rng.sample(others, 3))
        yield text, {"word": word.upper() if wanted % 2 else word, "N": wanted}, count == wanted
    yield "cat cats catalogue", {"word": "cat", "N": 1}, True  # whole words only
    yield "the cat's cat-flap", {"word": "cat", "N": 2}, True  # ' and - end a word
    yield "a cat_cat", {"word": "cat", "N": 0}, True  # _ does not
    yield "cat", {"word": "cat", "N": None}, False  # N is missing: cannot be judged


def validate_forbidden_words(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        present = rng.sample(words, rng.randint(1, 6))
        banned = rng.sample(words, rng.randint(1, 3))
        yield shuffled_text(rng, present), {"forbidden_words": banned}, not set(banned) & set(present)
    yield "A cartoon", {"forbidden_words": ["ART"]}, False  # inside a word counts
    yield "anything", {"forbidden_words": []}, True


def verify_letter_frequency(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        count, wanted = rng.randint(0, 4), rng.randint(0, 4)
        parts = ["z"] * count + ["Z", "a", "b", "\n", "."]
        rng.shuffle(parts)
        yield "".join(parts), {"letter": "z", "N": wanted}, count == wanted
    yield "a#b#", {"letter": "#", "N": 2}, True
    yield "Aa", {"letter": "A", "N": 1}, True
    yield "aa", {"letter": "aa", "N": 1}, False  # not one character
    yield "aa", {"letter": "", "N": 0}, False


LANGUAGES = {
    "es": "El domingo por la mañana caminamos hasta el río y comimos pan con queso debajo de los árboles.",
    "fr": "Le dimanche matin nous avons marché jusqu'à la rivière, puis mangé du pain sous les arbres.",
    "de": "Am Sonntagmorgen sind wir zum Fluss gelaufen und haben unter den Bäumen Brot mit Käse gegessen.",
    "it": "La domenica mattina abbiamo camminato fino al fiume e abbiamo mangiato il pane sotto gli alberi.",
    "en": "On Sunday morning we walked down to the river and ate our bread and cheese under the trees.",
    "el": "Την Κυριακή το πρωί περπατήσαμε μέχρι το ποτάμι και φάγαμε ψωμί με τυρί κάτω από τα δέντρα.",
    "fi": "Sunnuntaiaamuna kävelimme joelle ja söimme leipää ja juustoa suurten puiden alla varjossa.",
}


def validate_response_language(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for (spoken, text), asked in itertools.product(LANGUAGES.items(), LANGUAGES):
        yield text, {"language": asked}, spoken == asked
    yield "12345 67890", {"language": "en"}, False  # nothing to tell a language by


def validate_word_constraint(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for count, quantifier in itertools.product((27, 29, 30, 31, 33, 34), QUANTIFIERS):
        for separator in (" ", "\n", " \t "):
            text = separator.join(rng.choices(words, k=count))
            yield text, {"N": 30, "quantifier": quantifier}, within(count, 30, quantifier, 3)
    yield "a b c", {"N": 4, "quantifier": "around"}, True  # the slack is at least 1
    yield "a b", {"N": 4, "quantifier": "around"}, False
    yield "a " * 27, {"N": 25, "quantifier": "around"}, True  # round(2.5) is 2
    yield "a " * 28, {"N": 25, "quantifier": "around"}, False
    yield "well-known it's", {"N": 2, "quantifier": "at most"}, True  # white space alone separates
    yield "a b c", {"N": 3, "quantifier": "exactly"}, False  # no such quantifier
    yield "a b c", {"N": 3, "quantifier": "At least"}, False


def verify_sentence_constraint(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for count, wanted, quantifier in itertools.product(range(1, 7), (2, 4, 5), QUANTIFIERS):
        text = "".join(f"{rng.choice(words)} went home{rng.choice('.?!')} " for _ in range(count)).strip()
        yield text, {"N": wanted, "quantifier": quantifier}, within(count, wanted, quantifier, 1)
    for text, pieces in {
        "Mr. Smith left.": 1,  # capital, small letter, full stop
        "Hi. There.": 1,  # the same shape
        "Mrs. Smith left.": 2,  # three letters are no such shape
        "See e.g. this one. Then that.": 2,
        "It ended. ": 2,  # white space at the end separates an empty piece
        "Version 1.5 came out": 1,  # no white space after the full stop
        "Wait... what?": 2,
        'He said "no." Then he left.': 1,  # a quotation mark stands before the white space
    }.items():
        yield text, {"N": pieces, "quantifier": "at least"}, True
        yield text, {"N": pieces + 1, "quantifier": "at least"}, False
        yield text, {"N": pieces, "quantifier": "at most"}, True


def validate_frequency_capital_words(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for count, wanted, quantifier in itertools.product(range(6), (2, 3, 4), QUANTIFIERS):
        parts = [word.upper() for word in words[:count]] + [word.title() for word in words[6:9]]
        rng.shuffle(parts)
        arguments = {"N": wanted, "quantifier": quantifier}
        yield " ".join(parts), arguments, within(count, wanted, quantifier, 1)
    yield "I am A B", {"N": 3, "quantifier": "at least"}, True  # single letters count
    yield "NASA-ESA", {"N": 2, "quantifier": "at least"}, True
    yield "B2B A1", {"N": 1, "quantifier": "at least"}, False  # digits belong to the word
    yield "ÉTÉ", {"N": 1, "quantifier": "at least"}, False  # A to Z only
    yield "ONE TWO", {"N": 2, "quantifier": "exactly"}, False


def validate_uppercase(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for word in words:
        yield f"{word.upper()} 12!", {}, True
        yield f"{word.upper()} É Ü Ж", {}, True
        yield f"{word.upper()} a", {}, False
        yield word, {}, False
    yield "123", {}, True  # nothing to change
    yield "STRAßE", {}, False  # becomes STRASSE


def validate_lowercase(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for word in words:
        yield f"{word} 12!", {}, True
        yield f"{word} é ü ж", {}, True
        yield f"{word} A", {}, False
        yield word.upper(), {}, False
    yield "123", {}, True


def validate_no_commas(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for word in words:
        yield f"{word}; {word}.", {}, True
        yield f"{word}، {word}、", {}, True  # commas of other scripts are not commas
        yield f"{word}, {word}", {}, False
        yield f"1,000 {word}", {}, False
