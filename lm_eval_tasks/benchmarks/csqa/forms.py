r"""The forms in which an answer may name its option, those that leave least doubt first.

1. `\boxed{B}`, `\boxed{\text{library}}`
2. `(B)`, `<B>`
3. a letter that is announced (`the answer is B`, `Answer - B`, `I choose B`), is called the answer
   (`B is the answer`), stands alone in a line or opens the response (`B. bank`)
4. the text of an option, with or without an article: as a line, so announced, or called the answer
5. letter or text behind a weaker one (`it is`, `it must be`, `I'd go with`)

Each gives the letters that it finds.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from lm_eval_tasks.benchmarks.csqa.letters import (
    LETTERS,
    OPTION_LIST,
    letter_at_start,
    line_after,
    named_by_text,
    names_several,
)

Options = Mapping[str, str]
"""The options' texts as `letters.plain` gives them, by letter."""

_BOXED = re.compile(r"\\boxed\s{0,4}(?P<inside>\{{1,2}[^{}\n]{1,60}\})")
_ENCLOSED = re.compile(r"\(([A-Ea-e])\)|<([A-E])>")
_IS = r"(?:\s{1,4}(?:is|was|would be|should be|must be|has to be|option|choice|letter))*"
_SEPARATOR = r"(?:\s{0,4}[:=]\s{0,4}|\s{1,4}[-\u2013\u2014]{1,2}\s{1,4}|\s{1,4})"
_NOT = r"(?<!\bnot )(?<!n't )(?<!n\u2019t )(?<!\bnever )"
_ANNOUNCED = re.compile(
    rf"{_NOT}\b(?:answer|option|choice|choose|pick|select){_IS}{_SEPARATOR}", re.IGNORECASE
)
_WEAKLY = re.compile(
    rf"{_NOT}\b(?:(?:it|that)(?:\s{{1,4}}is|['\u2019]s)|(?:must|should|has to|would) be|(?:go|going|went) "
    rf"(?:for|with)){_IS}{_SEPARATOR}",
    re.IGNORECASE,
)
_CALLED = re.compile(
    r"\s{1,4}(?:is|would be|must be)\s{1,4}(?:(?:the|my)\s{1,4})?"
    r"(?:(?:(?:most|only)\s{1,4})?(?:correct|right|best|final|likely|suitable|appropriate)\s{1,4})?"
    r"(?:answer|choice|option)\b(?!\s{1,4}(?:to|for)\s{1,4}(?:another|other))",
    re.IGNORECASE,
)
_LETTER_BEFORE = re.compile(r"(?:^|(?<!\bnor)(?<!\bor)(?<!\band)(?<!,)\s)[(\"'<]{0,2}([A-E])[)\"'>.]{0,2}$")
_REJECTED = re.compile(
    r"\W{0,4}\b[A-E]\b[)\"'>]{0,2}\s{1,4}"
    r"(?:(?:is|was|would|can|does|could|should)(?:\s{1,4}(?:not|never|wrong|incorrect|false)\b|n['\u2019]t\b)"
    r"|cannot\b|makes no sense)",
    re.IGNORECASE,
)
_OPENING_LETTER = re.compile(r"\s*([A-E])\s{0,4}[.:)]\s")
_LONE_LETTER = re.compile(r"\W{0,20}([A-Ea-e])\W{0,20}")
_END_OF_TEXT = re.compile(r"[.;:(!]|,(?!\s*(?:or|and)\b)|\s(?:because|since|as)\b")
_WINDOW = 100


def _boxed(text: str, options: Options) -> Iterator[str]:
    for match in _BOXED.finditer(text):
        letter = letter_at_start(match["inside"], options)
        yield from [letter] if letter else named_by_text(match["inside"], options)


def _enclosed(text: str, options: Options) -> Iterator[str]:
    for match in _ENCLOSED.finditer(text):
        yield (match[1] or match[2]).upper()


def _announced_or_alone(text: str, options: Options) -> Iterator[str]:
    yield from _letters_behind(_ANNOUNCED, text, options)
    for match in _CALLED.finditer(text):
        if letter := _LETTER_BEFORE.search(text[max(0, match.start() - _WINDOW) : match.start()]):
            yield letter[1]
    for line in text.split("\n"):
        if alone := _LONE_LETTER.fullmatch(line):
            yield alone[1].upper()
    opening = _OPENING_LETTER.match(text)
    if opening and not OPTION_LIST.match(text.lstrip()):
        yield opening[1]


def _option_texts(text: str, options: Options) -> Iterator[str]:
    for line in text.split("\n"):
        yield from named_by_text(line, options)
    yield from _texts_behind(_ANNOUNCED, text, options)
    for match in _CALLED.finditer(text):
        sentence = re.split(r"[.\n!?]\s", text[max(0, match.start() - _WINDOW) : match.start()])[-1]
        yield from named_by_text(sentence, options)


def _weakly_announced(text: str, options: Options) -> Iterator[str]:
    yield from _letters_behind(_WEAKLY, text, options)
    yield from _texts_behind(_WEAKLY, text, options)


def _letters_behind(announcement: re.Pattern[str], text: str, options: Options) -> Iterator[str]:
    for match in announcement.finditer(text):
        rest = line_after(text, match)
        if names_several(rest):
            yield from LETTERS  # ambiguous
        letter = letter_at_start(rest, options)
        if letter and not _REJECTED.match(rest):
            yield letter


def _texts_behind(announcement: re.Pattern[str], text: str, options: Options) -> Iterator[str]:
    for match in announcement.finditer(text):
        rest = line_after(text, match)
        yield from named_by_text(rest, options) or named_by_text(_END_OF_TEXT.split(rest, 1)[0], options)


FORMS: tuple[Callable[[str, Options], Iterator[str]], ...] = (
    _boxed,
    _enclosed,
    _announced_or_alone,
    _option_texts,
    _weakly_announced,
)
