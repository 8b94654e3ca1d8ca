"""GSM8K: the final number, compared as a number.

The prompt asks for a last line `#### <number>`. Strict reads the number behind the last `####` that has one.
Flexible reads the same, where there is one; else the number of a line such as `#### Answer: 18`,
`#### 3 x 6 = 18` or of the line under a bare `####`; else the last number of the answer.
"""

import re
from decimal import Decimal

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.numbers import NUMBER, last_number, to_decimal
from lm_eval_tasks.scoring.run_on import first_found
from lm_eval_tasks.scoring.thinking import split_thinking

# What makes the number after the marker something else: the first operand of a calculation
# ("#### 5 * 3 = 15"), or the number of a heading ("#### 2. Compute").
_CALCULATION = re.compile(
    r"\s*(?:[-+*/=^×÷xX\u2212\u2013]|\\(?:times|cdot|div)|(?:times|plus|minus)\b)\s*[\d$(\\]"  # noqa: RUF001
    r"|[^(=\n]{1,60}=[^\w\n]{0,9}\d"
)
_HEADING = re.compile(r"[*_]{0,2}[.):]\s+[*_]{0,2}[^\W\d_]")
# White space, emphasis, dollars (LaTeX), boxes and "=" may stand between the marker and the number.
_MARKED = re.compile(r"####[^\w\n.\u2212\u2013-]*(?:\\?boxed\{|\\text\{|\\\(|\\\[)?")
# Other forms of the last line, as far as they are looked at.
_LINE_LENGTH = 200
_LABEL = re.compile(
    r"####[^\w\n]*(?:(?:the )?(?:final )?(?:answer|result|total)(?: is)?|[a-z](?= *=))[^\w\n.\u2212\u2013-]*",
    re.IGNORECASE,
)
_RESULT = re.compile(r"####(?![^\w\n]*[a-z]+ *\d)[^\n]*= *(?=[^=\n]*$)", re.IGNORECASE | re.MULTILINE)
_LINE_BELOW = re.compile(r"####[^\w\n]*\n\s*[^\w\n.\u2212\u2013-]*")

_FINISHED = re.compile(r"\banswer\b|boxed|####|\n\s*\n\s*\Z", re.IGNORECASE)


def score(response: str, target: str, *, opened_in_prompt: bool = False) -> AnswerVerdict:
    """Score one response.

    Args:
        response: The raw response; thinking is split off first.
        target: See `judge`.
        opened_in_prompt: See `split_thinking`.

    Raises:
        UserError: the target holds no number.
    """
    return judge(split_thinking(response, opened_in_prompt=opened_in_prompt).answer, target)


def judge(answer: str, target: str) -> AnswerVerdict:
    """Score one answer, which has no thinking in it.

    Args:
        answer: The answer.
        target: The number, alone or as a solution that ends in `#### <number>`.

    Raises:
        UserError: the target holds no number.
    """
    expected = last_number(target.rpartition("####")[2])
    if expected is None:
        raise UserError(f"gsm8k: target {target!r:.80} holds no number.")
    strict = found = first_found(answer, marked_number)
    if found is None:
        found = first_found(answer, _finished_number)
    if found is None:
        found = _unmarked_number(answer)
    return AnswerVerdict(
        strict=strict == expected,
        flexible=found == expected,
        answer=None if found is None else str(found),
    )


def marked_number(text: str) -> Decimal | None:
    """The number behind the last `####` that has one directly behind it."""
    for line in reversed(text.split("\n")):
        markers = list(_MARKED.finditer(line))
        number = _number_at(line, markers[-1].end()) if markers else None
        if number is not None:
            return number
    return None


def _finished_number(turn: str) -> Decimal | None:
    """The number of a turn that says its answer or ends with a blank line; a question to itself does not."""
    return _unmarked_number(turn) if _FINISHED.search(turn) else None


def _unmarked_number(text: str) -> Decimal | None:
    """The number of the last `####` in another form than the asked one, else the last number."""
    begin = text.rfind("####")
    last = text[begin : begin + _LINE_LENGTH] if begin >= 0 else ""
    for form in (_LABEL, _RESULT, _LINE_BELOW):
        marker = form.match(last)
        number = _number_at(last, marker.end()) if marker else None
        if number is not None:
            return number
    return last_number(text)


def _number_at(line: str, position: int) -> Decimal | None:
    """The number at `position`, unless it is a heading's or an operand."""
    number = NUMBER.match(line, position)
    if number is None or _HEADING.match(line, number.end()) or _CALCULATION.match(line, number.end()):
        return None
    return to_decimal(number)
