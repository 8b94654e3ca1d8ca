r"""Regular expressions out of data, with a guard.

IFEval puts keywords into regular expressions unescaped. Nearly all are plain words. A pattern that could
backtrack without end runs in the `regex` engine, which can stop; `re` runs the others, as the reference does.
"""

import re
from functools import lru_cache
from typing import Any

import regex

TIMEOUT_S = 0.25
"""Time that one match of a risky pattern may take."""

_ESCAPED = re.compile(r"\\.", re.DOTALL)
_MAX_CHOICES = 4


class PatternTimeoutError(Exception):
    """A pattern from the data took too long."""


class Guarded:
    """A compiled pattern whose operations end in time.

    Attributes:
        groups: Number of capturing groups.
    """

    def __init__(self, pattern: str, flags: int, *, risky: bool) -> None:
        engine: Any = regex if risky else re
        self._compiled = engine.compile(pattern, flags)
        self._options = {"timeout": TIMEOUT_S} if risky else {}
        self.groups: int = self._compiled.groups

    def search(self, text: str) -> bool:
        """Whether the pattern matches somewhere.

        Raises:
            PatternTimeoutError: it took longer than `TIMEOUT_S`.
        """
        try:
            return self._compiled.search(text, **self._options) is not None
        except TimeoutError:
            raise PatternTimeoutError from None

    def count(self, text: str) -> int:
        """Number of matches that do not overlap.

        Raises:
            PatternTimeoutError: it took longer than `TIMEOUT_S`.
        """
        try:
            return sum(1 for _ in self._compiled.finditer(text, **self._options))
        except TimeoutError:
            raise PatternTimeoutError from None


@lru_cache(maxsize=4096)
def guarded(
    pattern: str,
    *,
    before: str = "",
    after: str = "",
    whole_word: bool = False,
    ignore_case: bool = True,
    multiline: bool = False,
) -> Guarded:
    r"""Compile `before + pattern + after`; a pattern that does not compile is taken literally.

    Args:
        pattern: A regular expression out of the data.
        before: Our own expression in front of it.
        after: Our own expression behind it.
        whole_word: Put `\b` on both sides.
        ignore_case: Match in any case.
        multiline: `^` and `$` match at line ends.
    """
    if whole_word:
        before, after = r"\b", r"\b"
    flags = (re.IGNORECASE if ignore_case else 0) | (re.MULTILINE if multiline else 0)
    try:
        re.compile(before + pattern + after, flags)
    except (re.error, OverflowError, RecursionError):
        pattern = re.escape(pattern)
    return Guarded(before + pattern + after, flags, risky=is_risky(pattern))


def is_risky(pattern: str) -> bool:
    """Whether matching might take more than time proportional to the text.

    Decided on the safe side from the characters alone: a repetition without bound or with a count, or so
    many alternatives and optional parts that trying them all takes long.
    """
    bare = _ESCAPED.sub("", pattern)
    return any(char in bare for char in "*+{") or bare.count("?") + bare.count("|") > _MAX_CHOICES
