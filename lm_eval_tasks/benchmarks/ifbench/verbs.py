"""Whether a text starts with a verb, by a lexicon.

The public checker asks nltk's perceptron tagger, whose data no package carries, so that nothing offline can
load it; and it errs on imperatives, which its training text, newspapers, hardly has. Here the first word
must be a form of a verb of the lexicon (base form, `-s`, `-ed`, `-ing`, or an irregular one). Modal verbs
are none, as in the tagger's tags. A word that is as often a noun (`book`, `water`) counts as a verb unless
what follows shows it to be a noun: a finite auxiliary (`Water is`), `of`, `and`, a mark, or the `-s` form
of a verb (`Research suggests`).
"""

from functools import cache
from pathlib import Path

_AUXILIARIES = "is are was were has have had can could will would may might must shall should does did"
_AFTER_NOUN = frozenset(
    [*_AUXILIARIES.split(), "of", "and", "or", "which", "who", "'s", "shows", "needs", "helps"]
)
_OPENING = frozenset(["(", "[", "``", "'", "\u201c", "\u2018", "*"])
_VOWELS = "aeiou"


def starts_with_verb(tokens: tuple[str, ...]) -> bool:
    """Whether the first of a text's tokens is a form of a verb."""
    if not tokens:
        return False
    base = _base_of(tokens[0].lower())
    if base is None:
        return False
    is_noun = base in _lexicon()[1] and _shows_noun(tokens[1].lower() if len(tokens) > 1 else "")
    return not is_noun


def _shows_noun(following: str) -> bool:
    if following in _AFTER_NOUN:
        return True
    if following and not following[0].isalnum() and following not in _OPENING:
        return True
    base = _base_of(following) if following.endswith("s") else None
    return base is not None and base != following and base not in _lexicon()[1]


def _base_of(word: str) -> str | None:
    """The verb that a word in lower case is a form of; an irregular form stands for itself."""
    verbs, _, irregular = _lexicon()
    if word in irregular:
        return word
    return next((base for base in _candidates(word) if base in verbs), None)


def _candidates(word: str) -> list[str]:
    """The base forms that a word may come from, itself first."""
    found = [word]
    if word.endswith("ies") or word.endswith("ied"):
        found.append(word[:-3] + "y")
    for ending in ("s", "es", "d", "ed", "ing"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1:
            found.append(stem)
    for ending in ("ed", "ing"):
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 2:
            continue
        found.append(stem + "e")
        if stem[-1] == stem[-2] and stem[-1] not in _VOWELS:
            found.append(stem[:-1])
        if ending == "ing" and stem.endswith("y"):
            found.append(stem[:-1] + "ie")
    return found


@cache
def _lexicon() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """All verbs, those that are as often nouns, and irregular forms."""
    entries = _words("verbs.txt")
    nouns = frozenset(entry[:-1] for entry in entries if entry.endswith("*"))
    return frozenset(entry.rstrip("*") for entry in entries), nouns, frozenset(_words("irregular_verbs.txt"))


def _words(name: str) -> list[str]:
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]
