"""GSM8K: the final number, compared as a number.

The prompt asks for a last line `#### <number>`. Strict reads the number after the last `####`; flexible reads
the last number of the answer.
"""

import re
from decimal import Decimal

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.numbers import NUMBER, last_number, to_decimal
from lm_eval_tasks.scoring.thinking import split_thinking

# "#### 5 * 3 = 15" is a calculation, not the asked form.
_CALCULATION = re.compile(r"\s*(?:[-+*/=^×÷\u2212]|\\(?:times|cdot|div))\s*[\d$(\\]")  # noqa: RUF001 - a times sign
# White space, emphasis, dollars (LaTeX), boxes and "=" may stand between the marker and the number.
_MARKED = re.compile(r"####[^\w\n.\u2212-]*(?:\\?boxed\{|\\text\{|\\\(|\\\[)?")


def score(response: str, target: str, *, opened_in_prompt: bool = False) -> AnswerVerdict:
    """Score one response.

    Args:
        response: The raw response; thinking is split off first.
        target: The number, alone or as a solution that ends in `#### <number>`.
        opened_in_prompt: See `split_thinking`.

    Raises:
        UserError: the target holds no number.
    """
    expected = last_number(target.rpartition("####")[2])
    if expected is None:
        raise UserError(f"gsm8k: target {target!r:.80} holds no number.")
    answer = split_thinking(response, opened_in_prompt=opened_in_prompt).answer
    strict, flexible = marked_number(answer), last_number(answer)
    found = flexible if strict is None else strict
    return AnswerVerdict(
        strict=strict == expected,
        flexible=flexible == expected,
        answer=None if found is None else str(found),
    )


def marked_number(text: str) -> Decimal | None:
    """The number behind the last `####` that has one directly behind it."""
    for line in reversed(text.split("\n")):
        markers = list(_MARKED.finditer(line))
        number = NUMBER.match(line, markers[-1].end()) if markers else None
        if number and not _CALCULATION.match(line, number.end()):
            return to_decimal(number)
    return None
