"""Reasoning text apart from the answer.

Scorers judge the answer; logs keep the raw text.
"""

from dataclasses import dataclass

OPENING = "<think>"
CLOSING = "</think>"


@dataclass(frozen=True, slots=True)
class Thinking:
    """A response, taken apart.

    Attributes:
        answer: What is scored; empty where the thinking never ended.
        thought: The reasoning without its tags; None where there was none.
        unclosed: Whether the response ended inside the reasoning.
    """

    answer: str
    thought: str | None
    unclosed: bool


def split_thinking(text: str, *, opened_in_prompt: bool = False) -> Thinking:
    """Split `<think>...</think>` from the answer.

    The answer is what follows the last closing tag, without leading white space. So several blocks, a block
    whose opening tag stood in the prompt, and stray closing tags all come out the same way. A text without
    tags is the answer as it stands. An opening tag after the last closing one means that the model was
    still thinking when it stopped: the answer is empty.

    Args:
        text: The raw response.
        opened_in_prompt: Whether the chat template ended the prompt with `<think>`; a response without a
            closing tag is then all thinking.
    """
    before, closing, after = text.rpartition(CLOSING)
    if OPENING in after or (opened_in_prompt and not closing):
        return Thinking(answer="", thought=_without_tags(text), unclosed=True)
    if not closing:
        return Thinking(answer=text, thought=None, unclosed=False)
    return Thinking(answer=after.lstrip(), thought=_without_tags(before), unclosed=False)


def _without_tags(text: str) -> str:
    return text.replace(OPENING, "").replace(CLOSING, "").strip()
