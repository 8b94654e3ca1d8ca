"""What a scorer is told beside an answer's text, and what becomes of an answer that breaks it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lm_eval_tasks.scoring.thinking import Thinking, split_thinking
from lm_eval_tasks.scoring.thinking_tags import KNOWN_TAGS, Tags

logger = logging.getLogger(__name__)

Verdict = TypeVar("Verdict")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How an answer came about.

    Attributes:
        truncated: Whether the answer was cut at the token limit; None where that is unknown.
        opens_thinking: Whether the prompt ended inside opened reasoning.
        tags: What stands around the model's reasoning.
        begun: What the prompt has written of the answer already, such as `Answer:` in plain text.
    """

    truncated: bool | None = None
    opens_thinking: bool = False
    tags: Tags = KNOWN_TAGS
    begun: str = ""

    def split(self, response: str | None) -> Thinking:
        """The response, None where there is no text, taken apart."""
        return split_thinking(response or "", opened_in_prompt=self.opens_thinking, tags=self.tags)


NOTHING_SPECIAL = Circumstances()


def guarded(
    doc: Mapping[str, Any], response: str | None, judge: Callable[[], Verdict], failed: Verdict
) -> tuple[Verdict, bool]:
    """The verdict, and whether there is none: one bad row counts as wrong and does not end the run.

    Args:
        doc: The question; `benchmark` and `id` name it in the log.
        response: The raw answer; None where the model gave no text, as an API may.
        judge: Gives the verdict.
        failed: The verdict that stands for a failure.
    """
    if response is None:
        logger.error("%s row %s: the model gave no text; it counts as wrong", doc["benchmark"], doc["id"])
        return failed, True
    try:
        return judge(), False
    except Exception:  # whatever one row does to a scorer
        logger.exception("%s row %s breaks its scorer and counts as wrong", doc["benchmark"], doc["id"])
        return failed, True
