"""`count:*`: so many words, numbers, names, conjunctions, pronouns, marks, keywords."""

import re

from lm_eval_tasks.benchmarks.ifbench import vocabulary
from lm_eval_tasks.benchmarks.ifbench.text import EDGES, bare, tokens, words
from lm_eval_tasks.scoring.constraints import constraint

_NUMBER = re.compile(r"\d+")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_INTERROBANGS = ("?!", "!?")
_TIMES = (1, 2, 3, 5, 7)


@constraint("count:word_count_range")
def word_count_range(text: str, *, min_words: int, max_words: int) -> bool:
    """The number of words lies between both numbers, themselves included."""
    return min_words <= len(words(text)) <= max_words


@constraint("count:unique_word_count")
def unique_word_count(text: str, *, N: int) -> bool:
    """At least N different words, in any case; punctuation around a word does not count.

    Kept: marks that stand alone make up one more word, the empty one.
    """
    return len({word.strip(EDGES) for word in text.lower().split()}) >= N


@constraint("count:conjunctions")
def conjunctions(text: str, *, small_n: int) -> bool:
    """At least so many different coordinating conjunctions.

    Kept: they differ by how they are written, so `and`, `And` and `and,` are three.
    """
    found = {word for word in text.split() if word.strip(EDGES).lower() in vocabulary.CONJUNCTIONS}
    return len(found) >= small_n


@constraint("count:person_names")
def person_names(text: str, *, N: int) -> bool:
    """At least N different names of the list that the task gives, as whole words."""
    return sum(bool(re.search(rf"\b{name}\b", text)) for name in vocabulary.PERSON_NAMES) >= N


@constraint("count:numbers")
def numbers(text: str, *, N: int) -> bool:
    """Exactly N runs of digits; punctuation inside a number (3.5) does not divide it."""
    return len(_NUMBER.findall(bare(text))) == N


@constraint("count:pronouns")
def pronouns(text: str, *, N: int) -> bool:
    """At least N pronouns, in any case; `she/her` are two."""
    return sum(token in vocabulary.PRONOUNS for token in tokens(text.lower().replace("/", " "))) >= N


@constraint("count:punctuation")
def punctuation(text: str) -> bool:
    """An interrobang, and beside it every one of `. , ! ? ; :`."""
    mark = next((mark for mark in _INTERROBANGS if mark in text), None)
    if mark is None and "\u203d" not in text:
        return False
    rest = text.replace(mark, "", 1) if mark else text
    return all(mark in rest for mark in ".,!?;:")


@constraint("count:words_japanese")
def words_japanese(text: str, *, N: int) -> bool:
    """Every N-th word holds a Japanese character; numbers, and words of marks alone, are let pass."""
    if N < 1:
        return False
    every = (word.strip(EDGES) for word in text.split()[N - 1 :: N])
    return all(not word or word.isdigit() or _JAPANESE.search(word) for word in every)


@constraint("count:keywords_multiple")
def keywords_multiple(
    text: str, *, keyword1: str, keyword2: str, keyword3: str, keyword4: str, keyword5: str
) -> bool:
    """The keywords occur exactly once, twice, 3, 5 and 7 times, in any case, also inside words."""
    lower = text.lower()
    keywords = (keyword1, keyword2, keyword3, keyword4, keyword5)
    return all(
        lower.count(keyword.strip().lower()) == times for keyword, times in zip(keywords, _TIMES, strict=True)
    )
