"""The chat messages of RLVR-IFeval's questions, for the verifiers environment and GRPO."""

from lm_eval_tasks.episodes import Message
from lm_eval_tasks.errors import UserError

REASONING_SYSTEM_PROMPT = (
    "Follow the user's instructions exactly. First, think step-by-step inside <think>...</think>. "
    "Then, after </think>, provide ONLY your final response that satisfies the user's constraints."
)
PLAIN_SYSTEM_PROMPT = (
    "Follow the user's instructions exactly. "
    "Provide ONLY your final response that satisfies the user's constraints."
)


def check_reasoning(reasoning: object) -> bool:
    """`reasoning`, if it is true or false.

    Raises:
        UserError: it is something else, such as the text "true".
    """
    if not isinstance(reasoning, bool):
        raise UserError(f"reasoning: {reasoning!r} cannot be used; give true or false.")
    return reasoning


def system_prompt(reasoning: bool) -> str:
    """The system message; it asks for thinking only where thinking is taken off again before judging."""
    return REASONING_SYSTEM_PROMPT if reasoning else PLAIN_SYSTEM_PROMPT


def build_prompt(question: str, *, reasoning: bool) -> list[Message]:
    """`[system, user]`."""
    return [
        {"role": "system", "content": system_prompt(reasoning)},
        {"role": "user", "content": question},
    ]
