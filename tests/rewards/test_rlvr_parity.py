"""At least 40 texts x arguments for every RLVR function, with verdicts that do not come from a scorer.

Most texts are put together so that the verdict follows from how; the edges are reasoned by hand from
specs/rlvr_ifeval.md (the semantics of open-instruct), each with its reason.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lm_eval_tasks.rewards import grade
from lm_eval_tasks.scoring.rlvr import judge
from lm_eval_tasks.scoring.rlvr_functions import FUNCTIONS

Case = tuple[str, dict[str, Any], bool]
CASES: dict[str, Callable[[random.Random], Iterator[Case]]] = {}
# No word is part of another, and none can be read across a space.
VOCABULARY = [
    "anchor",
    "bucket",
    "cinder",
    "dolphin",
    "ember",
    "fjord",
    "glimpse",
    "hollow",
    "jigsaw",
    "kettle",
]
QUANTIFIERS = ("at least", "at most", "around")


def cases(function: Callable[[random.Random], Iterator[Case]]) -> Callable[[random.Random], Iterator[Case]]:
    CASES[function.__name__] = function
    return function


def shuffled_text(rng: random.Random, words: list[str]) -> str:
    changed = [rng.choice([str.lower, str.upper, str.capitalize])(word) for word in words]
    rng.shuffle(changed)
    return rng.choice(["{}", "{}!", "So: {}?"]).format(" ".join(changed))


def within(count: int, wanted: int, quantifier: str, slack: int) -> bool:
    if quantifier == "around":
        return wanted - slack <= count <= wanted + slack
    return count >= wanted if quantifier == "at least" else count <= wanted


@cases
def verify_keywords(rng):
    for _ in range(40):
        present = rng.sample(VOCABULARY, rng.randint(1, 6))
        wanted = rng.sample(VOCABULARY, rng.randint(1, 3))
        yield shuffled_text(rng, present), {"keyword_list": wanted}, set(wanted) <= set(present)
    yield "A CARTOON", {"keyword_list": ["Art"]}, True  # inside a word, any case
    yield "well done", {"keyword_list": ["well-done"]}, False
    yield "anything", {"keyword_list": []}, True  # nothing is missing
    yield "anything", {"keyword_list": "any"}, False  # not a list: cannot be judged


@cases
def verify_keyword_frequency(rng):
    for _ in range(40):
        word, others = VOCABULARY[0], VOCABULARY[1:]
        count, wanted = rng.randint(0, 4), rng.randint(0, 4)
        text = shuffled_text(rng, [word] * count + rng.sample(others, 3))
        yield text, {"word": word.upper() if wanted % 2 else word, "N": wanted}, count == wanted
    yield "cat cats catalogue", {"word": "cat", "N": 1}, True  # whole words only
    yield "the cat's cat-flap", {"word": "cat", "N": 2}, True  # ' and - end a word
    yield "a cat_cat", {"word": "cat", "N": 0}, True  # _ does not
    yield "cat", {"word": "cat", "N": None}, False  # N is missing: cannot be judged


@cases
def validate_forbidden_words(rng):
    for _ in range(40):
        present = rng.sample(VOCABULARY, rng.randint(1, 6))
        banned = rng.sample(VOCABULARY, rng.randint(1, 3))
        yield shuffled_text(rng, present), {"forbidden_words": banned}, not set(banned) & set(present)
    yield "A cartoon", {"forbidden_words": ["ART"]}, False  # inside a word counts
    yield "anything", {"forbidden_words": []}, True


@cases
def verify_letter_frequency(rng):
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


@cases
def validate_response_language(rng):
    for (spoken, text), asked in itertools.product(LANGUAGES.items(), LANGUAGES):
        yield text, {"language": asked}, spoken == asked
    yield "12345 67890", {"language": "en"}, False  # nothing to tell a language by


@cases
def verify_paragraph_count(rng):
    for _ in range(40):
        count, wanted = rng.randint(1, 5), rng.randint(1, 5)
        join = rng.choice(["\n* * *\n", " * * * ", "\n\n  * * *  \n\n", "* * *"])
        yield join.join(rng.choices(VOCABULARY, k=count)), {"N": wanted}, count == wanted
    yield "one\n* * *\n", {"N": 2}, False  # a blank piece
    yield "one\n***\ntwo", {"N": 2}, False  # another divider
    yield "one\n\ntwo", {"N": 1}, True


@cases
def validate_word_constraint(rng):
    for count, quantifier in itertools.product((27, 29, 30, 31, 33, 34), QUANTIFIERS):
        for separator in (" ", "\n", " \t "):
            text = separator.join(rng.choices(VOCABULARY, k=count))
            yield text, {"N": 30, "quantifier": quantifier}, within(count, 30, quantifier, 3)
    yield "a b c", {"N": 4, "quantifier": "around"}, True  # the slack is at least 1
    yield "a b", {"N": 4, "quantifier": "around"}, False
    yield "a " * 27, {"N": 25, "quantifier": "around"}, True  # round(2.5) is 2
    yield "a " * 28, {"N": 25, "quantifier": "around"}, False
    yield "well-known it's", {"N": 2, "quantifier": "at most"}, True  # white space alone separates
    yield "a b c", {"N": 3, "quantifier": "exactly"}, False  # no such quantifier
    yield "a b c", {"N": 3, "quantifier": "At least"}, False


@cases
def verify_sentence_constraint(rng):
    for count, wanted, quantifier in itertools.product(range(1, 7), (2, 4, 5), QUANTIFIERS):
        text = "".join(
            f"{rng.choice(VOCABULARY)} went home{rng.choice('.?!')} " for _ in range(count)
        ).strip()
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


@cases
def validate_paragraphs(rng):
    for _ in range(40):
        pieces = rng.sample(VOCABULARY, rng.randint(2, 5))
        wanted, index = rng.randint(2, 5), rng.randint(1, 2)
        first = rng.choice(pieces)
        padded = "\n\n".join(rng.choice(["", " ", "\t"]) + piece + " goes on." for piece in pieces)
        holds = len(pieces) == wanted and pieces[index - 1] == first
        yield padded, {"N": wanted, "i": index, "first_word": first}, holds
    yield "one\n\nanother", {"N": 2, "i": 2, "first_word": "an"}, True  # a prefix is enough
    yield "one\n\nAnother", {"N": 2, "i": 2, "first_word": "an"}, False  # case counts
    yield "one\n\n\n\ntwo", {"N": 3, "i": 3, "first_word": "two"}, True  # an empty paragraph counts
    yield "one\n\ntwo", {"N": 2, "i": 3, "first_word": "two"}, False  # there is no third
    yield "one\n\ntwo", {"N": 2, "i": 0, "first_word": "two"}, False  # nor a zeroth


@cases
def verify_postscript(rng):
    for marker, other in (("P.S.", "P.P.S"), ("P.P.S", "P.S."), ("NB:", "P.S.")):
        for word in VOCABULARY[:4]:
            yield f"{word}\n\n{marker} {word}", {"postscript_marker": marker}, True
            yield f"{word}\n\n{marker}", {"postscript_marker": marker}, False  # nothing follows
            yield f"{word}\n\n{marker}  \n", {"postscript_marker": marker}, False
            yield f"{word}\n\n{other} {word}", {"postscript_marker": marker}, False
    yield "P.S. first P.S.", {"postscript_marker": "P.S."}, True  # text follows the first one
    yield "p.s. more", {"postscript_marker": "P.S."}, False  # case counts


@cases
def validate_placeholders(rng):
    for _ in range(40):
        count, wanted = rng.randint(0, 4), rng.randint(1, 4)
        parts = [f"[{word}]" for word in VOCABULARY[:count]] + rng.sample(VOCABULARY, 3)
        rng.shuffle(parts)
        yield " ".join(parts), {"N": wanted}, count >= wanted
    yield "[]", {"N": 1}, True  # nothing inside is enough
    yield "[a\nb]", {"N": 1}, False  # not over a line end
    yield "[[a]]", {"N": 2}, False  # the first [ pairs with the first ]


@cases
def verify_bullet_points(rng):
    for _ in range(40):
        count, wanted = rng.randint(0, 4), rng.randint(1, 4)
        lines = [rng.choice(["* ", "- ", "  * ", "\t- ", "*"]) + word for word in VOCABULARY[:count]]
        lines += [rng.choice(["", "1. ", "a - "]) + word for word in VOCABULARY[5:8]]
        rng.shuffle(lines)
        yield "\n".join(lines), {"N": wanted}, count == wanted
    yield "**bold** line", {"N": 1}, True  # a bold beginning counts
    yield "---", {"N": 1}, True  # and so does a rule
    yield "• dot", {"N": 1}, False


@cases
def validate_title(rng):
    for word in VOCABULARY:
        yield f"<<{word}>>\n\nText", {}, True
        yield f"Text\nmore <<{word} {word}>> text", {}, True
        yield f"<{word}>\n\nText", {}, False
        yield f"<<{word}\n>> Text", {}, False  # not over a line end
    yield "<<>>", {}, True  # nothing inside is enough
    yield ">><<", {}, False
    yield "<<<a>>>", {}, True


@cases
def validate_choice(rng):
    options = ["My answer is yes.", "My answer is no.", "My answer is maybe."]
    for option, word in itertools.product(options, VOCABULARY[:5]):
        yield f"{word}. {option}", {"options": options}, True
        yield f"{word}. {option.upper()}", {"options": options}, False  # case counts
        yield f"{word}. {option[:-1]}", {"options": options}, False
    yield "not now", {"options": ["no"]}, True  # a part of a word is enough
    yield "yes", {"options": []}, False


@cases
def validate_highlighted_sections(rng):
    for _ in range(40):
        count, wanted = rng.randint(0, 4), rng.randint(1, 4)
        parts = [f"*{word}*" for word in VOCABULARY[:count]] + rng.sample(VOCABULARY, 3)
        rng.shuffle(parts)
        yield " ".join(parts), {"N": wanted}, count >= wanted
    yield "**bold**", {"N": 2}, True  # two empty pairs
    yield "*a\nb*", {"N": 1}, False  # not over a line end
    yield "*a* b*", {"N": 2}, False


@cases
def validate_sections(rng):
    for _ in range(80):
        count, wanted = rng.randint(1, 5), rng.randint(1, 5)
        splitter = rng.choice(["SECTION", "Day", "***"])
        body = "\n".join(f"{splitter} {word}" for word in VOCABULARY[:count])
        before = rng.choice(["", "Foreword\n"])  # a text before the first splitter counts as a piece
        arguments = {"N": wanted, "section_splitter": splitter}
        yield before + body, arguments, count + bool(before) == wanted
    yield "Section 1 a", {"N": 1, "section_splitter": "SECTION"}, True  # no splitter: one piece, the whole
    yield "a", {"N": 1, "section_splitter": ""}, False  # cannot be split by nothing


@cases
def validate_json_format(rng):
    for _ in range(20):
        words = rng.sample(VOCABULARY, 3)
        value = rng.choice([words, {word: len(word) for word in words}, {"a": [None, True, 1.5, words]}])
        text = json.dumps(value, indent=rng.choice([None, 2]))
        yield text, {}, True
        yield (
            rng.choice(["Here: {}", "```json\n{}\n```", "{}.", "{},", "{}{}"]).replace("{}", text),
            {},
            False,
        )
    yield '"text"', {}, True
    yield "7", {}, True
    yield " [] \n", {}, True
    yield "{'a': 1}", {}, False
    yield "[1,]", {}, False


@cases
def validate_repeat_prompt(rng):
    for _ in range(20):
        prompt = " ".join(rng.sample(VOCABULARY, 4)) + "?"
        yield f"{prompt}\nIndeed.", {"original_prompt": prompt}, True
        broken = rng.choice([f" {prompt} Indeed.", prompt[:-1], prompt.upper(), f"Indeed. {prompt}"])
        yield broken, {"original_prompt": prompt}, False
    yield "Why? Because.", {"original_prompt": ""}, True


@cases
def validate_two_responses(rng):
    for _ in range(10):
        one, two = rng.sample(VOCABULARY, 2)
        yield f"{one}\n******\n{two}", {}, True
        yield f"{one} ****** {one}", {}, False  # the same twice
        yield f"{one} ***** {two}", {}, False
        yield f"{one}******{two}******{one}", {}, False
    yield "one******", {}, True  # an empty side differs, too
    yield "one*******two", {}, True  # the seventh asterisk belongs to the second text
    yield "a************b", {}, False  # two of them


@cases
def validate_uppercase(rng):
    for word in VOCABULARY:
        yield f"{word.upper()} 12!", {}, True
        yield f"{word.upper()} É Ü Ж", {}, True
        yield f"{word.upper()} a", {}, False
        yield word, {}, False
    yield "123", {}, True  # nothing to change
    yield "STRAßE", {}, False  # becomes STRASSE


@cases
def validate_lowercase(rng):
    for word in VOCABULARY:
        yield f"{word} 12!", {}, True
        yield f"{word} é ü ж", {}, True
        yield f"{word} A", {}, False
        yield word.upper(), {}, False
    yield "123", {}, True


@cases
def validate_frequency_capital_words(rng):
    for count, wanted, quantifier in itertools.product(range(6), (2, 3, 4), QUANTIFIERS):
        parts = [word.upper() for word in VOCABULARY[:count]] + [word.title() for word in VOCABULARY[6:9]]
        rng.shuffle(parts)
        arguments = {"N": wanted, "quantifier": quantifier}
        yield " ".join(parts), arguments, within(count, wanted, quantifier, 1)
    yield "I am A B", {"N": 3, "quantifier": "at least"}, True  # single letters count
    yield "NASA-ESA", {"N": 2, "quantifier": "at least"}, True
    yield "B2B A1", {"N": 1, "quantifier": "at least"}, False  # digits belong to the word
    yield "ÉTÉ", {"N": 1, "quantifier": "at least"}, False  # A to Z only
    yield "ONE TWO", {"N": 2, "quantifier": "exactly"}, False


@cases
def validate_end(rng):
    for word, phrase in itertools.product(VOCABULARY, ("The end.", "Is there anything else?")):
        yield f"{word}. {phrase}", {"end_phrase": phrase}, True
        broken = rng.choice([f"{phrase} {word}", f"{phrase}\n", phrase.lower(), phrase[:-1]])
        yield f"{word}. {broken}", {"end_phrase": phrase}, False
    yield "The end.", {"end_phrase": "The end."}, True


@cases
def validate_quotation(rng):
    for word in VOCABULARY:
        yield f'"{word}"', {}, True
        yield f'"{word}', {}, False
        yield f'{word}"', {}, False
        yield f'"{word}"\n', {}, False  # the last character is the line end
    yield "“curly”", {}, False
    yield '"', {}, True  # one mark is both


@cases
def validate_no_commas(rng):
    for word in VOCABULARY:
        yield f"{word}; {word}.", {}, True
        yield f"{word}، {word}、", {}, True  # commas of other scripts are not commas
        yield f"{word}, {word}", {}, False
        yield f"1,000 {word}", {}, False


@pytest.mark.parametrize("name", FUNCTIONS)
def test_verdicts(name: str) -> None:
    found = list(CASES[name](random.Random(name)))
    assert len({(text, json.dumps(arguments)) for text, arguments, _ in found}) >= 40
    assert {expected for *_, expected in found} == {True, False}
    for text, arguments, expected in found:
        truth = {"func_name": name, **arguments, "unused": None}
        assert judge(text, truth).reward == float(expected), (text, arguments)
        assert grade(text, json.dumps(truth)).reward == float(expected)


def test_all_functions_have_cases() -> None:
    assert set(CASES) == set(FUNCTIONS)
    assert len(FUNCTIONS) == 25
