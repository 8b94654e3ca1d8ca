"""CommonsenseQA: the letter of the chosen option.

The prompt asks for `Answer: <letter>`. Strict reads the last such place. Flexible, failing that, takes the
first of these forms that occurs: `(B)`; a letter that is announced (`the answer is B`), stands alone in a
line or opens the response (`B. bank`); the exact text of an option as a line or behind an announcement. A
form that names different letters is ambiguous: no answer.
"""

import re
from collections.abc import Iterator, Sequence

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.thinking import split_thinking

LETTERS = "ABCDE"

# All searches end in time proportional to the text: gaps and lines are looked at so far only.
_WINDOW = 100
_EMPHASIS = re.compile(r"[*_`]+|\\(?:boxed|text|textbf|mathrm)(?=\{)")
_MARKED = re.compile(r"\banswer[ \t]{0,4}:", re.IGNORECASE)
_LEADING_LETTER = re.compile(r"[(\[{]?(?P<letter>[A-Ea-e])(?![\w'\u2019])[)\]}]?(?P<rest>.*)")
_FURTHER_LETTER = re.compile(r"[\s,/&+]*(?:\b(?:or|and)\b)?[\s,/&+]*[(\[]?[A-E](?![\w'\u2019])")
_CONNECTION = re.compile(r"\b(?:or|and)\b|[,/&+]")
_PARENTHESIZED = re.compile(r"\(([A-Ea-e])\)")
_ANNOUNCED = re.compile(
    r"\b(?:answer|option|choice|choose|pick|select)"
    r"(?:\s{1,4}(?:is|would be|should be|option|choice|letter))*\s{0,4}:?\s{1,4}",
    re.IGNORECASE,
)
_OPENING_LETTER = re.compile(r"\s*([A-E])\s{0,4}[.:)]\s")
_LONE_LETTER = re.compile(r"\W{0,20}([A-Ea-e])\W{0,20}")


def score(
    response: str, target: str, choices: Sequence[str] = (), *, opened_in_prompt: bool = False
) -> AnswerVerdict:
    """Score one response.

    Args:
        response: The raw response; thinking is split off first.
        target: The letter of the right option.
        choices: The options' texts in letter order; without them, option texts are not recognised.
        opened_in_prompt: See `split_thinking`.

    Raises:
        UserError: the target is not one of A to E, or there are more choices than letters.
    """
    if target not in tuple(LETTERS):
        raise UserError(f"csqa: target {target!r:.40} is not one of A to E.")
    if len(choices) > len(LETTERS):
        raise UserError(f"csqa: {len(choices)} choices for the letters A to E.")
    answer = split_thinking(response, opened_in_prompt=opened_in_prompt).answer
    text = _EMPHASIS.sub("", answer)
    options = dict(zip(LETTERS, map(_plain, choices), strict=False))
    marked = [_line_after(text, match) for match in _MARKED.finditer(text)][-1:]
    strict = _letter_at_start(marked[0], options) if marked else None
    # `Answer: A or B` is ambiguous; nothing else is tried.
    undecided = bool(marked) and _names_several(marked[0])
    found = strict or (None if undecided else _flexible(text, options))
    return AnswerVerdict(strict=strict == target, flexible=found == target, answer=found)


def _flexible(text: str, options: dict[str, str]) -> str | None:
    for form in (_in_parentheses, _announced_or_alone, _option_texts):
        letters = set(form(text, options))
        if letters:
            return letters.pop() if len(letters) == 1 else None
    return None


def _in_parentheses(text: str, options: dict[str, str]) -> Iterator[str]:
    for match in _PARENTHESIZED.finditer(text):
        yield match[1].upper()


def _announced_or_alone(text: str, options: dict[str, str]) -> Iterator[str]:
    for match in _ANNOUNCED.finditer(text):
        rest = _line_after(text, match)
        if _names_several(rest):
            yield from LETTERS  # ambiguous
        letter = _letter_at_start(rest, options)
        if letter:
            yield letter
    for line in text.split("\n"):
        alone = _LONE_LETTER.fullmatch(line)
        if alone:
            yield alone[1].upper()
    opening = _OPENING_LETTER.match(text)
    if opening:
        yield opening[1]


def _option_texts(text: str, options: dict[str, str]) -> Iterator[str]:
    pieces = [*text.split("\n"), *(_line_after(text, match) for match in _ANNOUNCED.finditer(text))]
    for piece in map(_plain, pieces):
        for letter, option in options.items():
            if option and piece == option:
                yield letter


def _line_after(text: str, match: re.Match[str]) -> str:
    """The rest of the line behind `match`, as far as it is looked at."""
    return text[match.end() : match.end() + _WINDOW].partition("\n")[0]


def _letter_at_start(rest: str, options: dict[str, str]) -> str | None:
    """The option letter with which `rest` begins, unless it begins with several or with a word."""
    match = _LEADING_LETTER.match(rest.strip())
    if match is None or _names_several(rest):
        return None
    letter, following = match["letter"], match["rest"]
    if following[:1].isspace() and following.strip(" .,;:!?)"):
        # "A dog", "a dog": an article, unless the option's own text follows.
        articled = letter in "Aa" and following.strip()[0].isalnum()
        if (articled or letter.islower()) and _plain(following) != options.get(letter.upper()):
            return None
    return letter.upper()


def _names_several(rest: str) -> bool:
    match = _LEADING_LETTER.match(rest.strip())
    if match is None or not match["letter"].isupper():
        return False
    further = _FURTHER_LETTER.match(match["rest"])
    # "A. A dog" repeats no letter: a full stop is no connection.
    return further is not None and _CONNECTION.search(further.group()) is not None


def _plain(text: str) -> str:
    """Text as options are compared: case, white space and punctuation around it do not count."""
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'()[]{}$")
