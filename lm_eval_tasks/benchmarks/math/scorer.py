r"""MATH: the last \boxed{} of the answer, compared with the gold expression.

Strict asks for the same string. Flexible asks for the same meaning: the same string once notation without
meaning is taken away, else equality by math-verify in a process that can be killed (see `verifier`).
"""

import re

from lm_eval_tasks.benchmarks.math.boxed import last_boxed
from lm_eval_tasks.benchmarks.math.verifier import Comparison, compare
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.thinking import split_thinking

MAX_LENGTH = 1000
"""Longer answers are compared as strings alone: no answer of the data set has a third of that."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_MAX_BOXES = 16
_MEANINGLESS = re.compile(
    r"\\[!,;:>\ ]|~|\s|\\(?:left|right|displaystyle|limits|q?quad|[bB]ig[lr]?)(?![a-zA-Z])"
)
_BASE = re.compile(r"[0-9A-Z]_\{?(\d+)\}?$")
_SAME_COMMAND = (
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (
        re.compile(
            r"\\(?:text(?:bf|it|rm|normal|sf|tt)?|mbox|math(?:rm|bf|it|sf)|operatorname)\s*\{([^{}]*)\}"
        ),
        r"\1",
    ),
    (re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))"), ""),
    (re.compile(r"\\(?=[$%])"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"^\$+|\$+$"), ""),
)


def score(response: str, target: str, *, opened_in_prompt: bool = False) -> AnswerVerdict:
    r"""Score one response.

    Args:
        response: The raw response; thinking is split off first.
        target: The gold expression in LaTeX, without \boxed.
        opened_in_prompt: See `split_thinking`.

    Raises:
        UserError: the target is blank.
        RuntimeError: the verifying process cannot be started.
    """
    target = target.strip()
    if not target:
        raise UserError("math: the target is blank.")
    answer = final_answer(split_thinking(response, opened_in_prompt=opened_in_prompt).answer)
    if answer is None or not answer.strip():
        return AnswerVerdict(strict=False, flexible=False, answer=None)
    strict = answer.strip() == target
    comparison = Comparison(equal=True) if strict else equivalent(answer, target)
    return AnswerVerdict(strict, comparison.equal, answer.strip(), comparison.timed_out)


def final_answer(text: str) -> str | None:
    r"""The content of the last complete \boxed{}.

    Unclosed boxes are looked through, the last 16 at most: a text can open thousands.
    """
    openings = [match.start() for match in _BOX.finditer(text)]
    return last_boxed(text[openings[-_MAX_BOXES:][0] :]) if openings else None


def equivalent(answer: str, target: str) -> Comparison:
    """Whether two LaTeX expressions mean the same."""
    if max(len(answer), len(target)) > MAX_LENGTH:
        return Comparison(equal=False)
    plain, plain_target = without_notation(answer), without_notation(target)
    if plain == plain_target:
        return Comparison(equal=True)
    bases = {base[1] for base in map(_BASE.search, (plain, plain_target)) if base}
    # math-verify does not look at the base of a numeral.
    if not plain or len(bases) > 1:
        return Comparison(equal=False)
    return compare(target, answer)


def without_notation(expression: str) -> str:
    r"""The expression without spacing, sizes, text commands, degree signs, and a final full stop."""
    for pattern, replacement in _SAME_COMMAND:
        expression = pattern.sub(replacement, expression)
    return _MEANINGLESS.sub("", expression).rstrip(".")
