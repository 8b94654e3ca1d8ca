"""Chat messages -> the text that a model without a chat template reads."""

from collections.abc import Sequence

from lm_eval_tasks.episodes import Message

PLAIN_TEXT_STOP = "\n\nQuestion:"
"""Where generation ends for a model without a chat template: the start of a further question."""


def to_plain_text(messages: Sequence[Message]) -> str:
    """The form for models without a chat template; ends where the answer begins.

    The answer follows with one leading space (`" " + completion`), and every turn ends with a blank line.
    """
    prefix = {"system": "", "user": "Question: ", "assistant": "Answer: "}
    turns = [prefix[message["role"]] + message["content"] for message in messages]
    return "\n\n".join([*turns, "Answer:"])
