"""The 25 constraint functions of RLVR-IFeval, after open-instruct's main branch of August 2026 (e6c3044a).

Each takes the answer and its own arguments. Where the original takes quadratic time on some texts, the same
matches are counted in one pass here. Earlier states of open-instruct: `revisions.py`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lm_eval_tasks.scoring.brackets import count_bracketed
from lm_eval_tasks.scoring.json_text import is_json
from lm_eval_tasks.scoring.language import identify

_WORD = re.compile(r"\b\w+\b")
_CAPITAL_WORD = re.compile(r"\b[A-Z]+\b")
_SENTENCE_END = re.compile(r"(?<!\w\.\w.)(?<![A-Z][a-z]\.)(?<=\.|\?|!)\s")
_SEPARATOR = "*" * 6


class UnsatisfiableError(ValueError):
    """An argument with which the constraint cannot be judged; the original raises there as well."""


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        raise UnsatisfiableError(f"argument {name} must be a whole number, not {value!r:.60}")
    return int(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UnsatisfiableError(f"argument {name} must be text, not {value!r:.60}")
    return value


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
        raise UnsatisfiableError(f"argument {name} must be a list of texts, not {value!r:.60}")
    return list(value)


def _in_range(actual: int, wanted: int, quantifier: Any, tolerance: int) -> bool:
    """Whether the count is `at least`, `at most` or `around` the wanted one; no other quantifier holds."""
    return {
        "at least": actual >= wanted,
        "at most": actual <= wanted,
        "around": abs(actual - wanted) <= tolerance,
    }.get(_text("quantifier", quantifier), False)


def _tenth(wanted: int) -> int:
    return max(round(wanted * 0.1), 1)


def verify_keywords(text: str, keyword_list: Any) -> bool:
    """Every keyword occurs, in any case."""
    return all(keyword.lower() in text.lower() for keyword in _texts("keyword_list", keyword_list))


def verify_keyword_frequency(text: str, word: Any, N: Any) -> bool:
    """Exactly N words equal `word`, in any case."""
    word, number = _text("word", word).lower(), _number("N", N)
    return _WORD.findall(text.lower()).count(word) == number


def validate_forbidden_words(text: str, forbidden_words: Any) -> bool:
    """No forbidden word occurs, in any case, not even inside another word."""
    return not any(word.lower() in text.lower() for word in _texts("forbidden_words", forbidden_words))


def verify_letter_frequency(text: str, letter: Any, N: Any) -> bool:
    """The letter occurs exactly N times; case counts."""
    if len(_text("letter", letter)) != 1:
        raise UnsatisfiableError(f"argument letter must be one character, not {letter!r:.60}")
    return text.count(letter) == _number("N", N)


def validate_response_language(text: str, language: Any) -> bool:
    """The first guess of langdetect is `language`."""
    language, found = _text("language", language), identify(text)
    if found is None:
        raise UnsatisfiableError("the answer's language cannot be told")
    return found == language


def verify_paragraph_count(text: str, N: Any) -> bool:
    """Exactly N pieces between `* * *` dividers, none blank."""
    stripped = "\n".join(line.strip() for line in text.splitlines())
    pieces = stripped.split("* * *")
    return len(pieces) == _number("N", N) and all(piece.strip() for piece in pieces)


def validate_word_constraint(text: str, N: Any, quantifier: Any) -> bool:
    """The number of white-space-separated words."""
    number = _number("N", N)
    return _in_range(len(text.split()), number, quantifier, _tenth(number))


def verify_sentence_constraint(text: str, N: Any, quantifier: Any) -> bool:
    """The number of sentences by the original's simple rule."""
    pieces = 1 + sum(1 for _ in _SENTENCE_END.finditer(text))
    return _in_range(pieces, _number("N", N), quantifier, 1)


def validate_paragraphs(text: str, N: Any, first_word: Any, i: Any) -> bool:
    """Exactly N pieces between blank lines, the i-th (from 1) starting with `first_word`."""
    pieces, index = text.split("\n\n"), _number("i", i)
    if len(pieces) != _number("N", N):
        return False
    if not 1 <= index <= len(pieces):
        raise UnsatisfiableError(f"argument i is {index}, but there are paragraphs 1 to {len(pieces)}")
    return pieces[index - 1].strip().startswith(_text("first_word", first_word))


def verify_postscript(text: str, postscript_marker: Any) -> bool:
    """The marker occurs, and something follows it."""
    marker = _text("postscript_marker", postscript_marker)
    begin = text.find(marker)
    return begin >= 0 and len(text[begin:].strip()) > len(marker)


def validate_placeholders(text: str, N: Any) -> bool:
    """At least N `[placeholders]`."""
    return count_bracketed(text) >= _number("N", N)


def verify_bullet_points(text: str, N: Any) -> bool:
    """Exactly N lines start with `*` or `-`."""
    return sum(line.strip().startswith(("*", "-")) for line in text.split("\n")) == _number("N", N)


def validate_title(text: str) -> bool:
    """A line holds `<<...>>`, also with nothing inside."""
    return any(
        begin >= 0 and line.find(">>", begin + 2) >= 0
        for line in text.split("\n")
        for begin in [line.find("<<")]
    )


def validate_choice(text: str, options: Any) -> bool:
    """Any of the options occurs."""
    return any(option in text for option in _texts("options", options))


def validate_highlighted_sections(text: str, N: Any) -> bool:
    r"""At least N matches of `\*(.*?)\*`: pairs of asterisks in a line."""
    return sum(line.count("*") // 2 for line in text.split("\n")) >= _number("N", N)


def validate_sections(text: str, N: Any, section_splitter: Any) -> bool:
    """Exactly N pieces between the splitters; an empty piece before the first does not count."""
    splitter = _text("section_splitter", section_splitter)
    if not splitter:
        raise UnsatisfiableError("argument section_splitter is empty")
    pieces = text.split(splitter)
    return len(pieces) - (pieces[0] == "") == _number("N", N)


def validate_json_format(text: str) -> bool:
    """The whole answer is JSON."""
    return is_json(text)


def validate_repeat_prompt(text: str, original_prompt: Any) -> bool:
    """The answer starts with the prompt."""
    return text.startswith(_text("original_prompt", original_prompt))


def validate_two_responses(text: str) -> bool:
    """Exactly one `******`, with different texts on its sides."""
    if text.count(_SEPARATOR) != 1:
        return False
    first, second = text.split(_SEPARATOR)
    return first.strip() != second.strip()


def validate_uppercase(text: str) -> bool:
    """The answer equals its upper-case form."""
    return text == text.upper()


def validate_lowercase(text: str) -> bool:
    """The answer equals its lower-case form."""
    return text == text.lower()


def validate_frequency_capital_words(text: str, N: Any, quantifier: Any) -> bool:
    """The number of words of A to Z alone."""
    number = _number("N", N)
    return _in_range(sum(1 for _ in _CAPITAL_WORD.finditer(text)), number, quantifier, _tenth(number))


def validate_end(text: str, end_phrase: Any) -> bool:
    """The answer ends with exactly this phrase."""
    return text.endswith(_text("end_phrase", end_phrase))


def validate_quotation(text: str) -> bool:
    """The answer starts and ends with a double quotation mark."""
    return text.startswith('"') and text.endswith('"')


def validate_no_commas(text: str) -> bool:
    """No comma."""
    return "," not in text


FUNCTIONS: Mapping[str, Callable[..., bool]] = {
    function.__name__: function
    for function in (
        verify_keywords, verify_keyword_frequency, validate_forbidden_words, verify_letter_frequency,
        validate_response_language, verify_paragraph_count, validate_word_constraint,
        verify_sentence_constraint, validate_paragraphs, verify_postscript, validate_placeholders,
        verify_bullet_points, validate_title, validate_choice, validate_highlighted_sections,
        validate_sections, validate_json_format, validate_repeat_prompt, validate_two_responses,
        validate_uppercase, validate_lowercase, validate_frequency_capital_words, validate_end,
        validate_quotation, validate_no_commas,
    )
}  # fmt: skip
"""The known constraint functions by name; a ground truth can call no other."""
