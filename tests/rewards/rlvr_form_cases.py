"""Texts with verdicts for the RLVR functions on the form of an answer; see test_rlvr_verdicts.

`words` is the vocabulary: no word is part of another.
"""

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

Case = tuple[str, dict[str, Any], bool]


def verify_paragraph_count(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        count, wanted = rng.randint(1, 5), rng.randint(1, 5)
        join = rng.choice(["\n* * *\n", " * * * ", "\n\n  * * *  \n\n", "* * *"])
        yield join.join(rng.choices(words, k=count)), {"N": wanted}, count == wanted
    yield "one\n* * *\n", {"N": 2}, False  # a blank piece
    yield "one\n***\ntwo", {"N": 2}, False  # another divider
    yield "one\n\ntwo", {"N": 1}, True


def validate_paragraphs(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        pieces = rng.sample(words, rng.randint(2, 5))
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


def verify_postscript(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for marker, other in (("P.S.", "P.P.S"), ("P.P.S", "P.S."), ("NB:", "P.S.")):
        for word in words[:4]:
            yield f"{word}\n\n{marker} {word}", {"postscript_marker": marker}, True
            yield f"{word}\n\n{marker}", {"postscript_marker": marker}, False  # nothing follows
            yield f"{word}\n\n{marker}  \n", {"postscript_marker": marker}, False
            yield f"{word}\n\n{other} {word}", {"postscript_marker": marker}, False
    yield "P.S. first P.S.", {"postscript_marker": "P.S."}, True  # text follows the first one
    yield "p.s. more", {"postscript_marker": "P.S."}, False  # case counts


def validate_placeholders(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        count, wanted = rng.randint(0, 4), rng.randint(1, 4)
        parts = [f"[{word}]" for word in words[:count]] + rng.sample(words, 3)
        rng.shuffle(parts)
        yield " ".join(parts), {"N": wanted}, count >= wanted
    yield "[]", {"N": 1}, True  # nothing inside is enough
    yield "[a\nb]", {"N": 1}, False  # not over a line end
    yield "[[a]]", {"N": 2}, False  # the first [ pairs with the first ]


def verify_bullet_points(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        count, wanted = rng.randint(0, 4), rng.randint(1, 4)
        lines = [rng.choice(["* ", "- ", "  * ", "\t- ", "*"]) + word for word in words[:count]]
        lines += [rng.choice(["", "1. ", "a - "]) + word for word in words[5:8]]
        rng.shuffle(lines)
        yield "\n".join(lines), {"N": wanted}, count == wanted
    yield "**bold** line", {"N": 1}, True  # a bold beginning counts
    yield "---", {"N": 1}, True  # and so does a rule
    yield "• dot", {"N": 1}, False


def validate_title(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for word in words:
        yield f"<<{word}>>\n\nText", {}, True
        yield f"Text\nmore <<{word} {word}>> text", {}, True
        yield f"<{word}>\n\nText", {}, False
        yield f"<<{word}\n>> Text", {}, False  # not over a line end
    yield "<<>>", {}, True  # nothing inside is enough
    yield ">><<", {}, False
    yield "<<<a>>>", {}, True


def validate_choice(rng: random.Random, words: list[str]) -> Iterator[Case]:
    options = ["My answer is yes.", "My answer is no.", "My answer is maybe."]
    for option, word in itertools.product(options, words[:5]):
        yield f"{word}. {option}", {"options": options}, True
        yield f"{word}. {option.upper()}", {"options": options}, False  # case counts
        yield f"{word}. {option[:-1]}", {"options": options}, False
    yield "not now", {"options": ["no"]}, True  # a part of a word is enough
    yield "yes", {"options": []}, False


def validate_highlighted_sections(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(40):
        count, wanted = rng.randint(0, 4), rng.randint(1, 4)
        parts = [f"*{word}*" for word in words[:count]] + rng.sample(words, 3)
        rng.shuffle(parts)
        yield " ".join(parts), {"N": wanted}, count >= wanted
    yield "**bold**", {"N": 2}, True  # two empty pairs
    yield "*a\nb*", {"N": 1}, False  # not over a line end
    yield "*a* b*", {"N": 2}, False


def validate_sections(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(80):
        count, wanted = rng.randint(1, 5), rng.randint(1, 5)
        splitter = rng.choice(["SECTION", "Day", "***"])
        body = "\n".join(f"{splitter} {word}" for word in words[:count])
        before = rng.choice(["", "Foreword\n"])  # a text before the first splitter counts as a piece
        arguments = {"N": wanted, "section_splitter": splitter}
        yield before + body, arguments, count + bool(before) == wanted
    yield "Section 1 a", {"N": 1, "section_splitter": "SECTION"}, True  # no splitter: one piece, the whole
    yield "a", {"N": 1, "section_splitter": ""}, False  # cannot be split by nothing


def validate_json_format(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(20):
        three = rng.sample(words, 3)
        value = rng.choice([three, {word: len(word) for word in three}, {"a": [None, True, 1.5, three]}])
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


def validate_repeat_prompt(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(20):
        prompt = " ".join(rng.sample(words, 4)) + "?"
        yield f"{prompt}\nIndeed.", {"original_prompt": prompt}, True
        broken = rng.choice([f" {prompt} Indeed.", prompt[:-1], prompt.upper(), f"Indeed. {prompt}"])
        yield broken, {"original_prompt": prompt}, False
    yield "Why? Because.", {"original_prompt": ""}, True


def validate_two_responses(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for _ in range(10):
        one, two = rng.sample(words, 2)
        yield f"{one}\n******\n{two}", {}, True
        yield f"{one} ****** {one}", {}, False  # the same twice
        yield f"{one} ***** {two}", {}, False
        yield f"{one}******{two}******{one}", {}, False
    yield "one******", {}, True  # an empty side differs, too
    yield "one*******two", {}, True  # the seventh asterisk belongs to the second text
    yield "a************b", {}, False  # two of them


def validate_end(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for word, phrase in itertools.product(words, ("The end.", "Is there anything else?")):
        yield f"{word}. {phrase}", {"end_phrase": phrase}, True
        broken = rng.choice([f"{phrase} {word}", f"{phrase}\n", phrase.lower(), phrase[:-1]])
        yield f"{word}. {broken}", {"end_phrase": phrase}, False
    yield "The end.", {"end_phrase": "The end."}, True


def validate_quotation(rng: random.Random, words: list[str]) -> Iterator[Case]:
    for word in words:
        yield f'"{word}"', {}, True
        yield f'"{word}', {}, False
        yield f'{word}"', {}, False
        yield f'"{word}"\n', {}, False  # the last character is the line end
    yield "“curly”", {}, False
    yield '"', {}, True  # one mark is both
