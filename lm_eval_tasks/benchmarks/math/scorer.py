r"""MATH: the last \boxed{} of the answer, compared with the gold expression.

Strict asks for the same string. Flexible asks for the same meaning: the same string once notation without
meaning is taken away, else equality by math-verify in a process that can be killed (see `verifier`).
"""

import re

from lm_eval_tasks.benchmarks.math.boxed import BOX, last_boxed, trimmed
from lm_eval_tasks.benchmarks.math.notation import (
    as_intervals,
    other_names,
    readable,
    spaced,
    without_notation,
)
from lm_eval_tasks.benchmarks.math.verifier import Comparison, compare
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.run_on import first_found
from lm_eval_tasks.scoring.thinking import split_thinking

MAX_LENGTH = 1000
"""Longer answers are compared as strings alone: no answer of the data set has a third of that."""

_MAX_BOXES = 16
_BASE = re.compile(r"[0-9A-Z]_\{?(\d+)\}?$")


def score(response: str, target: str, *, opened_in_prompt: bool = False) -> AnswerVerdict:
    r"""Score one response.

    Args:
        response: The raw response; thinking is split off first.
        target: See `judge`.
        opened_in_prompt: See `split_thinking`.

    Raises:
        UserError: the target is blank.
        RuntimeError: the verifying process cannot be started.
    """
    return judge(split_thinking(response, opened_in_prompt=opened_in_prompt).answer, target)


def judge(answer: str, target: str) -> AnswerVerdict:
    r"""Score one answer, which has no thinking in it.

    Args:
        answer: The answer.
        target: The gold expression in LaTeX, without \boxed.

    Raises:
        UserError: the target is blank.
        RuntimeError: the verifying process cannot be started.
    """
    target = trimmed(target)
    if not target:
        raise UserError("math: the target is blank.")
    found = final_answer(answer)
    if not found:
        return AnswerVerdict(strict=False, flexible=False, answer=None)
    strict = found == target
    comparison = Comparison(equal=True) if strict else equivalent(found, target)
    return AnswerVerdict(strict, comparison.equal, found, comparison.timed_out)


def final_answer(text: str) -> str | None:
    r"""The content of the last complete \boxed{}.

    What stands behind a further question that the text asks itself does not count. Unclosed boxes are looked
    through, the last 16 at most: a text can open thousands.
    """
    return first_found(text, _last_box)


def _last_box(text: str) -> str | None:
    openings = [match.start() for match in BOX.finditer(text)]
    return last_boxed(text[openings[-_MAX_BOXES:][0] :]) if openings else None


def equivalent(answer: str, target: str) -> Comparison:
    """Whether two LaTeX expressions mean the same."""
    if max(len(answer), len(target)) > MAX_LENGTH:
        return Comparison(equal=False)
    answer, target = readable(answer), readable(target)
    plain, plain_target = without_notation(answer), without_notation(target)
    if plain == plain_target:
        return Comparison(equal=True)
    bases = {base[1] for base in map(_BASE.search, (plain, plain_target)) if base}
    marked, marked_target = spaced(answer), spaced(target)
    # math-verify does not look at the base of a numeral, and multiplies the letters of names.
    if not plain or len(bases) > 1 or other_names(marked, marked_target):
        return Comparison(equal=False)
    answer, target = as_intervals(marked, marked_target) or (answer, target)
    return compare(target, answer)
