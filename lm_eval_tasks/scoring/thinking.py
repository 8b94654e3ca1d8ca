"""Reasoning text apart from the answer.

Scorers judge the answer; logs keep the raw text.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from lm_eval_tasks.scoring.thinking_tags import CHANNELS, KNOWN_TAGS, Tags

_BEFORE_MENTION = " \t([{*_`'\"\u201c\u2018\u00ab"
_QUOTES = ("`", '"')
_FENCE = "```"
_HARMONY_END = re.compile(r"(?:<\|(?:return|end)\|>\s*)+\Z")
# gpt-oss's channels as they read once special tokens are dropped.
_BARE_ANALYSIS, _BARE_FINAL = "analysis", "assistantfinal"


@dataclass(frozen=True, slots=True)
class Thinking:
    """A response, taken apart.

    Attributes:
        answer: What is scored; empty where the thinking never ended.
        thought: The reasoning without its tags; None where there was none.
        unclosed: Whether the response ended inside the reasoning.
    """

    answer: str
    thought: str | None
    unclosed: bool


def split_thinking(text: str, *, opened_in_prompt: bool = False, tags: Tags = KNOWN_TAGS) -> Thinking:
    """Split the reasoning from the answer.

    The answer is what follows the last closing tag, without leading white space. So several blocks, a block
    whose opening tag stood in the prompt, and stray closing tags all come out the same way. A text without
    tags is the answer as it stands. An opening tag after the last closing one means that the model was
    still thinking when it stopped: the answer is empty. A tag that the text only mentions (between words,
    in quotation marks, in code) opens and ends nothing.

    Args:
        text: The raw response.
        opened_in_prompt: Whether the chat template ended the prompt with an opening tag; a response without
            a closing tag is then all thinking.
        tags: The opening and closing tags that are looked for.
    """
    if set(tags) & set(CHANNELS) and text.startswith(_BARE_ANALYSIS):
        before, closing, after = text.removeprefix(_BARE_ANALYSIS).rpartition(_BARE_FINAL)
        if closing or tags == CHANNELS:
            answer, thought = (after.lstrip(), before) if closing else ("", after)
            return Thinking(answer=answer, thought=thought.strip(), unclosed=not closing)
    start, unclosed = _Reader(text, tags).read(opened_in_prompt)
    if unclosed:
        return Thinking(answer="", thought=_without_tags(text, tags), unclosed=True)
    if not start:
        return Thinking(answer=text, thought=None, unclosed=False)
    answer = text[start:].lstrip()
    if text.endswith(">") and text[:start].endswith(CHANNELS[0][1]):
        answer = _HARMONY_END.sub("", answer)
    return Thinking(answer=answer, thought=_without_tags(text[:start], tags), unclosed=False)


def opened_by(prompt: str, tags: Tags = KNOWN_TAGS) -> str | None:
    """The opening tag that a prompt ends with, so that the response begins inside the reasoning; or None."""
    end = prompt.rstrip()
    return next((opening for opening, _ in tags if end.endswith(opening)), None)


class _Reader:
    """One pass over the tags of a text."""

    def __init__(self, text: str, tags: Tags) -> None:
        self._text, self._closing_of = text, dict(tags)
        self._tags = _pattern(tags).finditer(text)
        self._seen = 0
        self._blank_line = True  # nothing but white space stands before the tag in its line
        self._in_code = self._mentioned = False

    def read(self, opened: bool) -> tuple[int, bool]:
        """Where the answer begins, and whether the text ends inside reasoning."""
        start = 0
        expected = set(self._closing_of.values()) if opened else None
        for tag in self._tags:
            self._pass(tag.start())
            closing = self._closing_of.get(tag[0])
            if expected is not None:
                ended = tag[0] in expected and not self._quoted(tag, _QUOTES[:1])
            else:
                ended = closing is None and not self._closing_mentioned(tag)
            if ended:
                start, expected = tag.end(), None
                self._blank_line, self._in_code, self._mentioned = True, False, False
            elif expected is None and closing is not None and self._opens(tag):
                expected = {closing}
            else:
                self._blank_line = False
            self._seen = tag.end()
        return start, expected is not None

    def _pass(self, position: int) -> None:
        """Take in the text up to the next tag."""
        between = self._text[self._seen : position]
        _, newline, line = between.rpartition("\n")
        self._blank_line = (bool(newline) or self._blank_line) and not line.strip()
        self._in_code ^= between.count(_FENCE) % 2 == 1

    def _opens(self, tag: re.Match[str]) -> bool:
        begun = self._blank_line or self._text[tag.start() - 1] not in _BEFORE_MENTION
        opens = not self._in_code and (begun or self._after(tag).isalnum())
        self._mentioned |= not opens
        return opens

    def _closing_mentioned(self, tag: re.Match[str]) -> bool:
        """Whether a closing tag outside reasoning is only spoken of."""
        spoken_of = self._mentioned and not self._blank_line and not self._after(tag).isalnum()
        at_line_end = self._after(tag) in ("", "\n")
        return self._in_code or self._quoted(tag, _QUOTES) or (spoken_of and not at_line_end)

    def _quoted(self, tag: re.Match[str], quotes: tuple[str, ...]) -> bool:
        return tag.start() > 0 and self._text[tag.start() - 1] == self._after(tag) in quotes

    def _after(self, tag: re.Match[str]) -> str:
        return self._text[tag.end() : tag.end() + 1]


@lru_cache(maxsize=64)
def _pattern(tags: Tags) -> re.Pattern[str]:
    every = sorted({tag for pair in tags for tag in pair}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, every)))


def _without_tags(text: str, tags: Tags) -> str:
    return _pattern(tags).sub("", text).strip()
