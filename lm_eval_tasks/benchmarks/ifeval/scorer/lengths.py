"""`length_constraints:*`: sentences, words, paragraphs."""

import re

from lm_eval_tasks.benchmarks.ifeval.scorer.keywords import at_least
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text

_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_ENDS_WORD = frozenset(".,?!'\"")


def number_sentences(text: Text, *, num_sentences: int, relation: str) -> bool:
    """The English sentences of punkt number less than / at least `num_sentences`."""
    return text.has_sentences(num_sentences) == (relation == "at least")


def number_words(text: Text, *, num_words: int, relation: str) -> bool:
    """Words number less than / at least `num_words`."""
    return at_least(text.words, num_words, relation)


def number_paragraphs(text: Text, *, num_paragraphs: int) -> bool:
    """Exactly so many paragraphs between `***` dividers; only the first and last may be blank."""
    pieces = _DIVIDER.split(text.raw)
    blank = [not piece.strip() for piece in pieces]
    if any(blank[1:-1]):
        return False
    # A response of one single blank piece does not arise: blank texts follow nothing.
    return len(pieces) - blank[0] - blank[-1] == num_paragraphs


def nth_paragraph_first_word(text: Text, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Exactly `num_paragraphs` paragraphs, of which the n-th starts with the word.

    Official defect, kept: blank pieces are not counted as paragraphs, but are when the n-th is looked up.
    """
    pieces = text.raw.split("\n\n")
    filled = sum(1 for piece in pieces if piece.strip())
    if not 1 <= nth_paragraph <= filled:
        return False
    words = pieces[nth_paragraph - 1].split(maxsplit=1)
    if not words:
        return False
    word = words[0].lstrip("'").lstrip('"')
    end = next((index for index, char in enumerate(word) if char in _ENDS_WORD), len(word))
    start = "".join(char.lower() for char in word[:end])
    return filled == num_paragraphs and start == first_word.lower()
