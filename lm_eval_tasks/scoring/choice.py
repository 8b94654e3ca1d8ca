"""Which of the offered options a reply names: by its letter, by its text, or by both.

Read is the whole reply, or what follows its last `Answer:` / `The answer is`. What names no option, or two of
them, is no answer.
"""

import re
from collections.abc import Sequence
from string import ascii_uppercase as LETTERS

_EMPHASIS = re.compile(r"[*_`]+")
_ANNOUNCED = re.compile(r"\b(?:answer|choice|option)\b(?:\s{1,4}is\b)?\s{0,4}:?\s{1,4}", re.IGNORECASE)
_LETTER = re.compile(r"[(\[]?(?P<letter>[A-Za-z])(?:[)\].:]+(?:\s+(?P<rest>\S.*))?)?", re.DOTALL)


def chosen(reply: str, choices: Sequence[str]) -> int | None:
    """The index of the option that the reply names; None where it names none, or not one alone."""
    text = _EMPHASIS.sub("", reply).strip()
    found = _named(text, choices)
    if found is None and (announced := list(_ANNOUNCED.finditer(text))):
        found = _named(text[announced[-1].end() :].partition("\n")[0].strip(), choices)
    return found


def index_of(target: str, choices: Sequence[str]) -> int | None:
    """The index of the option that a row calls right: the exact text of one, else a letter."""
    if target in choices:
        return choices.index(target)
    return chosen(target, choices)


def _named(text: str, choices: Sequence[str]) -> int | None:
    plain = _plain(text)
    found = {i for i, choice in enumerate(choices) if plain and _plain(choice) == plain}
    if match := _LETTER.fullmatch(text):
        i = LETTERS.index(match["letter"].upper())
        rest = match["rest"]
        if i < len(choices) and (rest is None or _plain(rest) == _plain(choices[i])):
            found.add(i)
    return found.pop() if len(found) == 1 else None


def _plain(text: str) -> str:
    """Text as options are compared: case, white space and punctuation around it do not count."""
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'()[]")
