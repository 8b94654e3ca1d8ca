"""What several constraints ask of a text: its sentences, words and tokens, as nltk finds them."""

import string
import unicodedata
from functools import lru_cache

import regex

from lm_eval_tasks.benchmarks.ifeval.scorer.sentences import sentence_spans
from lm_eval_tasks.benchmarks.ifeval.scorer.words import word_tokens

MARKS = string.punctuation
EDGES = MARKS + " "
"""What is stripped from the ends of a word."""

_NO_MARKS = str.maketrans("", "", MARKS)
_WORD = regex.compile(r"\w+")  # nltk matches with `regex`


@lru_cache(maxsize=256)
def sentences(text: str) -> tuple[str, ...]:
    """The English sentences of punkt."""
    return tuple(text[start:end] for start, end in sentence_spans(text))


@lru_cache(maxsize=64)
def tokens(text: str) -> tuple[str, ...]:
    """The tokens of nltk's `word_tokenize`, punctuation marks among them."""
    return tuple(token for sentence in sentences(text) for token in word_tokens(sentence))


def words(text: str) -> list[str]:
    r"""The matches of `\w+`: contractions and hyphens end a word."""
    return _WORD.findall(text)


def bare(text: str) -> str:
    """The text without ASCII punctuation; what it stood between closes up."""
    return text.translate(_NO_MARKS)


def ascii_letters(text: str) -> str:
    """The text without diacritics and without what is not ASCII."""
    # Character by character: of a whole text, marks in a row are sorted, which takes quadratic time.
    return text.translate({ord(char): _ascii_of(char) for char in set(text)})


def _ascii_of(char: str) -> str:
    return unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode("ascii")
