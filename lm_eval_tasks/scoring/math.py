r"""MATH: the last \boxed{}. (stub of the public interface; the verifier comes next)"""

from lm_eval_tasks.boxed import last_boxed
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.thinking import split_thinking


def score(response: str, target: str, *, opened_in_prompt: bool = False) -> AnswerVerdict:
    """Score one response against the LaTeX expression `target`."""
    boxed = last_boxed(split_thinking(response, opened_in_prompt=opened_in_prompt).answer)
    return AnswerVerdict(strict=boxed == target, flexible=boxed == target, answer=boxed)
