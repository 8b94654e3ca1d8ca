"""Answers that run on: models without an end of turn go on to ask and answer questions of their own."""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

Found = TypeVar("Found")

# What opens a further turn, at the beginning of a line.
_NEXT = re.compile(
    r"^[ \t]{0,8}(?:[#>*]{1,6}[ \t]{0,4})?(?:"
    r"(?:(?:new|next|another)[ \t])?(?:question|problem|exercise|q)(?:[ \t]{0,4}#?\d{1,4})?"
    r"[*]{0,2}[ \t]{0,4}[:.]"
    r"|(?:human|user|instruction|input)[*]{0,2}[ \t]{0,4}:"
    r"|<\|im_start\|>[ \t]{0,4}user"
    r")",
    re.IGNORECASE | re.MULTILINE,
)


def turns(text: str) -> Iterator[str]:
    """The text up to where a further question begins, from there to the next one, and so on."""
    begun = 0
    for match in _NEXT.finditer(text):
        if text[begun : match.start()].strip():
            yield text[begun : match.start()]
            begun = match.start()
    yield text[begun:]


def first_found(text: str, find: Callable[[str], Found | None]) -> Found | None:
    """What `find` finds in the first of the text's `turns` in which it finds anything.

    So an answer behind a question that is said again is found, and none behind the answer.
    """
    return next((found for turn in turns(text) if (found := find(turn)) is not None), None)
