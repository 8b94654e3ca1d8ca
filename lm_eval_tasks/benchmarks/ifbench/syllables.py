"""Syllables of English words: a rule for vowels, and a list of words that it miscounts."""

from functools import cache
from pathlib import Path

_VOWELS = frozenset("aeiouy")
_EXCEPTIONS = Path(__file__).with_name("syllables.txt")


def count_syllables(word: str) -> int:
    """The number of syllables of a word in lower case.

    A run of vowels is one, a final e is none but for `-le` behind a consonant, and every word has one at
    least. A word with digits counts none: nobody says how it is read.
    """
    if any(map(str.isdecimal, word)):
        return 0
    known = _exceptions().get(word)
    return _by_rule(word) if known is None else known


def _by_rule(word: str) -> int:
    vowel = [char in _VOWELS for char in word]
    runs = sum(here and not before for before, here in zip([False, *vowel], vowel, strict=False))
    if word.endswith("e"):
        runs -= 1
    if word.endswith("le") and len(word) > 2 and not vowel[-3]:
        runs += 1
    return max(runs, 1)


@cache
def _exceptions() -> dict[str, int]:
    lines = _EXCEPTIONS.read_text(encoding="utf-8").splitlines()
    return {
        word: int(line.split()[0]) for line in lines if not line.startswith("#") for word in line.split()[1:]
    }
