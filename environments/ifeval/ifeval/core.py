"""What both faces share: prompts, the text that is judged, and whether a row can be graded."""

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompts import Message
from lm_eval_tasks.rewards import Grade, grade

REASONING_SYSTEM_PROMPT = (
    "Follow the user's instructions exactly. First, think step-by-step inside <think>...</think>. "
    "Then, after </think>, provide ONLY your final response that satisfies the user's constraints."
)
PLAIN_SYSTEM_PROMPT = (
    "Follow the user's instructions exactly. "
    "Provide ONLY your final response that satisfies the user's constraints."
)
_PROBE = "A plain English sentence is enough to see whether a constraint can be judged."


def system_prompt(reasoning: bool) -> str:
    """The system message; it asks for thinking only where thinking is taken off again before judging."""
    return REASONING_SYSTEM_PROMPT if reasoning else PLAIN_SYSTEM_PROMPT


def build_prompt(question: str, *, reasoning: bool) -> list[Message]:
    """`[system, user]`."""
    return [
        {"role": "system", "content": system_prompt(reasoning)},
        {"role": "user", "content": question},
    ]


def check_reasoning(reasoning: object) -> bool:
    """`reasoning`, if it is true or false.

    Raises:
        UserError: it is something else, such as the text "true".
    """
    if not isinstance(reasoning, bool):
        raise UserError(f"reasoning: {reasoning!r} cannot be used; give true or false.")
    return reasoning


def raw_response(content: object, reasoning_content: object, *, reasoning: bool) -> object:
    """The assistant's text as the model wrote it.

    A server that parses reasoning (`vllm serve --reasoning-parser ...`) moves it out of the content; with
    `reasoning` it is put back where it was.
    """
    if reasoning and isinstance(content, str | None) and isinstance(reasoning_content, str):
        return f"<think>{reasoning_content}</think>{content or ''}"
    return content


def is_gradable(ground_truth: str, satisfying: str | None, violating: str | None) -> bool:
    """Whether the row tells good responses from bad ones, as far as it has any.

    A row without responses of its own must at least judge an ordinary sentence without a problem.
    """
    if grade(_PROBE, ground_truth).problem is not None:
        return False
    keeps = satisfying is None or _earned(grade(satisfying, ground_truth)) == 1.0
    breaks = violating is None or _earned(grade(violating, ground_truth)) < 1.0
    return keeps and breaks


def _earned(found: Grade) -> float:
    return found.constraint_reward
