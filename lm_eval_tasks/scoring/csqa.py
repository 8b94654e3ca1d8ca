"""CommonsenseQA: the letter of the chosen option. (stub of the public interface; deepened next)"""

import re

from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.thinking import split_thinking


def score(
    response: str, target: str, choices: "tuple[str, ...] | list[str]" = (), *, opened_in_prompt: bool = False
) -> AnswerVerdict:
    """Score one response against the letter `target`."""
    answer = split_thinking(response, opened_in_prompt=opened_in_prompt).answer
    found = re.findall(r"Answer:\s*([A-E])\b", answer)
    letter = found[-1] if found else None
    return AnswerVerdict(strict=letter == target, flexible=letter == target, answer=letter)
