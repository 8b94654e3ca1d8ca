"""Chat messages -> the text that a model without a chat template reads."""

from collections.abc import Sequence

from lm_eval_tasks.episodes import QUESTION, Message

ANSWER = "Answer:"
"""What every answer stands behind, and every prompt ends with."""

PLAIN_TEXT_STOP = f"\n\n{QUESTION.rstrip()}"
"""Where generation ends for a model without a chat template: the start of a further question."""


def to_plain_text(messages: Sequence[Message], *, label: str = QUESTION) -> str:
    """The form for models without a chat template; ends where the answer begins.

    The answer follows with one leading space (`" " + plain_answer(completion)`), and every turn ends with a
    blank line.

    Args:
        messages: The conversation.
        label: What the user's turns begin with; see `Episode.label`.
    """
    said = {"system": _as_it_stands, "user": label.__add__, "assistant": _labelled}
    return "\n\n".join([*(said[message["role"]](message["content"]) for message in messages), ANSWER])


def plain_answer(completion: str) -> str:
    """A completion as it follows the prompt's `Answer:`, which it does not say again."""
    return completion.removeprefix(ANSWER).lstrip() if completion.startswith(ANSWER) else completion


def _as_it_stands(text: str) -> str:
    return text


def _labelled(completion: str) -> str:
    return f"{ANSWER} {plain_answer(completion)}"
