"""`format:*`: brackets, quotation marks, lines, lists, templates."""

import re
from collections import defaultdict, deque
from itertools import pairwise
from string import digits

import regex

from lm_eval_tasks.benchmarks.ifbench.text import EDGES, MARKS, bare, sentences, tokens
from lm_eval_tasks.scoring.constraints import constraint

_CLOSING = {")": "(", "]": "[", "}": "{"}
_BRACKET_DEPTH, _QUOTE_DEPTH = 5, 3
_LETTERED = re.compile(r"\W*a\W*b\W*c\W*", re.IGNORECASE)
# A keycap's sign and half a flag are emoji to Unicode; alone they are none.
_EMOJI = regex.compile(r"(?![#*0-9\U0001f1e6-\U0001f1ff])\p{Emoji}")
_TEMPLATE = ("My Answer:", "My Conclusion:", "Future Outlook:")


@constraint("format:parentheses")
def parentheses(text: str) -> bool:
    """Brackets nest five deep and begin to close; a bracket that closes no open one starts all over."""
    opened: list[str] = []
    deepest = 0
    for mark in text:
        if mark in "([{":
            opened.append(mark)
            deepest = max(deepest, len(opened))
        elif mark in _CLOSING:
            if opened and opened[-1] == _CLOSING[mark]:
                opened.pop()
                if deepest >= _BRACKET_DEPTH:
                    return True
            else:
                opened, deepest = [], 0
    return False


@constraint("format:quotes")
def quotes(text: str) -> bool:
    """Double and single quotation marks alternate three deep, and three levels close in a row.

    Kept: an apostrophe is a quotation mark.
    """
    opened: list[str] = []
    deepest = 0
    for mark in text:
        if opened and mark == opened[-1]:
            opened.pop()
            if deepest - len(opened) >= _QUOTE_DEPTH:
                return True
        elif mark in "\"'":
            opened.append(mark)
            deepest = max(deepest, len(opened))
    return False


@constraint("format:options")
def options(text: str, *, options: str) -> bool:
    """The text is one of the options, in any case and whatever marks stand around it.

    Lettered options, `a), b), c)`, must stand exactly as they are given.
    """
    separator = next((mark for mark in ("/", "or") if mark in options), ",")
    known = [option.strip() for option in options.split(separator)]
    if _LETTERED.match(options):
        return text in known
    return text.strip(EDGES).lower() in (option.strip(EDGES).lower() for option in known)


@constraint("format:newline")
def newline(text: str) -> bool:
    """As many lines as words, punctuation aside."""
    plain = bare(text)
    return sum(1 for line in plain.strip().split("\n") if line) == len(plain.split())


@constraint("format:emoji")
def emoji(text: str) -> bool:
    """An emoji ends every sentence, or begins what punkt takes for the next one."""
    found = [bare(sentence).strip() for sentence in sentences(text)]
    for place, sentence in enumerate(found):
        following = found[place + 1] if place + 1 < len(found) else ""
        if not sentence:
            return False
        # The last character may be a variation selector or a skin tone.
        if not any(map(_is_emoji, sentence[-2:])) and not _is_emoji(following[:1]):
            return False
    return True


def _is_emoji(char: str) -> bool:
    return _EMOJI.match(char) is not None


@constraint("format:line_indent")
def line_indent(text: str) -> bool:
    """Every line begins with more spaces than the one before.

    Kept: of blank lines in a row every second one stays, and breaks the stairs.
    """
    lines = text.split("\n")
    dropped = _dropped(lines)
    kept = [line for place, line in enumerate(lines) if place not in dropped]
    indents = [len(line) - len(line.lstrip(" ")) for line in kept]
    return all(one < other for one, other in pairwise(indents))


def _dropped(lines: list[str]) -> set[int]:
    """The places of the blank lines that do not count.

    The public checker removes lines from the list that it walks: the line after one that it removes is never
    looked at, and what goes is the first line that is the same.
    """
    dropped: set[int] = set()
    same: dict[str, deque[int]] = defaultdict(deque)
    skipping = False
    for place, line in enumerate(lines):
        blank = not line.strip()
        if blank:
            same[line].append(place)
        if blank and not skipping:
            dropped.add(same[line].popleft())
        skipping = blank and not skipping
    return dropped


@constraint("format:quote_unquote")
def quote_unquote(text: str) -> bool:
    """No quotation follows another at once, and none ends the text.

    Kept: only the straight double mark is one, and its name `'"'` is passed over.
    """
    plain = "".join(text.replace("'\"'", "").split())
    end = plain.strip(digits + MARKS.replace('"', ""))
    return '""' not in plain and not end.endswith('"')


@constraint("format:list")
def list_items(text: str, *, sep: str) -> bool:
    """The mark that stands for bullets occurs twice at least.

    Kept: anywhere, not only where a line begins.
    """
    return text.count(sep) >= 2


@constraint("format:thesis")
def thesis(text: str) -> bool:
    """Something in HTML italics, with text behind it.

    Kept: `<em>` counts as four characters less than it has, so its thesis, and what follows, may be empty.
    """
    start = next((place for place in map(text.find, ("<i>", "<em>")) if place >= 0), -1)
    if start < 0:
        return False
    rest = text[start:]
    end = next((place for place in map(rest.find, ("</i>", "</em>")) if place >= 0), -1)
    return end >= 0 and bool(rest[3:end].strip()) and bool(rest[end + 4 :].strip())


@constraint("format:sub-bullets")
def sub_bullets(text: str) -> bool:
    """A dash follows every asterisk before the next one.

    Kept: so a text without an asterisk passes, and a hyphen is a bullet.
    """
    return all("-" in bullet for bullet in text.split("*")[1:])


@constraint("format:no_bullets_bullets")
def no_bullets_bullets(text: str) -> bool:
    """Two sentences at least, then two lines at least that start with `*`, then nothing.

    Kept: a blank line ends the sentences; between and after the bullets there may be none.
    """
    count = bullets = 0
    prose = True
    for line in map(str.strip, text.split("\n")):
        if line.startswith("*"):
            prose = False
            bullets += 1
            if count < 2:
                return False
        elif prose:
            found = len(sentences(line))
            prose = found > 0
            count += found
        else:
            return False
    return bullets >= 2


@constraint("format:title_case")
def title_case(text: str) -> bool:
    """No token is all lower case, nor lower case before capitals.

    Kept: small words (of, the) need their capital too; any other mixture passes.
    """
    return not any(_small(token) for token in tokens(text))


def _small(token: str) -> bool:
    if not token[0].isalpha() or not token[0].islower():
        return False
    return len(token) == 1 or token[1:].isupper() or token[1:].islower()


@constraint("format:output_template")
def output_template(text: str) -> bool:
    """The three labels of the template occur; their order is not checked."""
    return all(label in text for label in _TEMPLATE)


@constraint("format:no_whitespace")
def no_whitespace(text: str) -> bool:
    """No white space."""
    return not any(map(str.isspace, text))
