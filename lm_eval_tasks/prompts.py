"""THE renderer: (example, demonstrations) -> chat messages.

Evaluation, SFT, the teacher and rewards all call it, so that what is measured is what was trained.
Demonstrations are user/assistant turns; nothing is shown to the model that is not in `messages`.
"""

from collections.abc import Sequence

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.schemas import LETTERS, Example

Message = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`."""

_FORMATS = {
    "gsm8k": "{question}\n\nSolve the problem step by step. End with the final answer on its own last line, "
    "in the form: #### <number>",
    "csqa": "{question}\n{choices}\n\nReply with the letter of the best choice, "
    "in the form: Answer: <letter>",
    "math": "{question}\n\nSolve the problem step by step. Put the final answer in \\boxed{{}}.",
    # IFEval states its constraints in the prompt itself; anything added could break one.
    "ifeval": "{question}",
}

PLAIN_TEXT_STOP = "\n\nQuestion:"
"""Where generation ends for a model without a chat template: the start of a further question."""


def user_prompt(example: Example) -> str:
    """The user turn: the question, its options, and the answer format."""
    choices = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, example.choices, strict=False))
    return _FORMATS[example.benchmark].format(question=example.question, choices=choices)


def assistant_completion(example: Example) -> str:
    """The gold assistant turn.

    Raises:
        UserError: the example has no gold answer.
    """
    if example.completion is None:
        raise UserError(
            f"{example.benchmark} {example.id} has no gold answer, so it can be neither a demonstration nor "
            "a training row. Take those from the training split."
        )
    return example.completion


def build_messages(
    example: Example, demonstrations: Sequence[Example] = (), *, system: str | None = None
) -> list[Message]:
    """The prompt for `example` as chat messages, ending with the user turn.

    Args:
        example: The question that is asked.
        demonstrations: Solved examples shown before it, in this order.
        system: A system turn, if any.

    Raises:
        UserError: a demonstration has no gold answer.
    """
    messages = [{"role": "system", "content": system}] if system else []
    for shown in demonstrations:
        messages.append({"role": "user", "content": user_prompt(shown)})
        messages.append({"role": "assistant", "content": assistant_completion(shown)})
    messages.append({"role": "user", "content": user_prompt(example)})
    return messages


def to_plain_text(messages: Sequence[Message]) -> str:
    """The form for models without a chat template; ends where the answer begins.

    The answer follows with one leading space (`" " + completion`), and every turn ends with a blank line.
    """
    prefix = {"system": "", "user": "Question: ", "assistant": "Answer: "}
    turns = [prefix[message["role"]] + message["content"] for message in messages]
    return "\n\n".join([*turns, "Answer:"])
