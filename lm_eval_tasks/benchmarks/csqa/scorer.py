"""CommonsenseQA: the letter of the chosen option.

The prompt asks for `Answer: <letter>`. Strict reads the last such place before a further question. Flexible,
failing that, takes the first of the forms of `forms` that occurs. A form that names different letters is
ambiguous: no answer.
"""

import re
from collections.abc import Sequence

from lm_eval_tasks.benchmarks.csqa.forms import FORMS, Options
from lm_eval_tasks.benchmarks.csqa.letters import (
    LETTERS,
    OPTION_LIST,
    letter_at_start,
    line_after,
    names_several,
    plain,
)
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.run_on import first_found
from lm_eval_tasks.scoring.thinking import split_thinking

_EMPHASIS = re.compile(r"[*_`]+|\\(?:text|textbf|mathrm|mathbf)(?=\{)")
_MARKED = re.compile(r"\banswer[ \t]{0,4}:", re.IGNORECASE)


def score(
    response: str, target: str, choices: Sequence[str] = (), *, opened_in_prompt: bool = False
) -> AnswerVerdict:
    """Score one response.

    Args:
        response: The raw response; thinking is split off first.
        target: See `judge`.
        choices: See `judge`.
        opened_in_prompt: See `split_thinking`.

    Raises:
        UserError: as `judge` does.
    """
    return judge(split_thinking(response, opened_in_prompt=opened_in_prompt).answer, target, choices)


def judge(answer: str, target: str, choices: Sequence[str] = (), begun: str = "") -> AnswerVerdict:
    """Score one answer, which has no thinking in it.

    Args:
        answer: The answer.
        target: The letter of the right option.
        choices: The options' texts in letter order; without them, option texts are not recognised.
        begun: What the prompt has written of the answer already: `Answer:` is the asked form, whoever
            writes it.

    Raises:
        UserError: the target is not one of A to E, or there are more choices than letters.
    """
    target = target.strip()
    if target not in tuple(LETTERS):
        raise UserError(f"csqa: target {target!r:.40} is not one of A to E.")
    if len(choices) > len(LETTERS):
        raise UserError(f"csqa: {len(choices)} choices for the letters A to E.")
    options = dict(zip(LETTERS, map(plain, choices), strict=False))
    read = first_found(_EMPHASIS.sub("", begun + answer), lambda turn: _read(turn, options))
    strict, found = read or (None, None)
    return AnswerVerdict(strict=strict == target, flexible=found == target, answer=found)


def _read(turn: str, options: Options) -> tuple[str | None, str | None] | None:
    """The letter in the asked form and the one in any form; None where nothing is answered."""
    turn = _own_part(turn, options)
    marked = [line_after(turn, match) for match in _MARKED.finditer(turn)][-1:]
    strict = letter_at_start(marked[0], options) if marked else None
    if strict or (marked and names_several(marked[0])):
        return strict, strict  # `Answer: A or B` is ambiguous; nothing else is tried
    for form in FORMS:
        letters = set(form(turn, options))
        if letters:
            return None, letters.pop() if len(letters) == 1 else None
    return None


def _own_part(turn: str, options: Options) -> str:
    """The turn up to a list of options behind its answer, which is another question's."""
    for match in _MARKED.finditer(turn):
        if letter_at_start(line_after(turn, match), options):
            further = OPTION_LIST.search(turn, match.end())
            return turn[: further.start()] if further else turn
    return turn
