"""How the answers of a run are told from the reasoning before them."""

import logging
from typing import Any

from lm_eval_tasks.prompting.chat_template import ModelChat
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.scoring.thinking import opened_by
from lm_eval_tasks.scoring.thinking_tags import Tags, dropped_tags, tags_of

logger = logging.getLogger(__name__)


class RunThinking:
    """What a run knows of its model's reasoning.

    Attributes:
        tags: What stands around it.
        stripped: Whether the harness takes it off before a scorer sees the answer (`think_end_token`).
        opened: Whether the last rendered prompt ends inside it.
    """

    def __init__(
        self, chat: ModelChat | None, *, tags: Tags | None, end_token: Any, enable_thinking: bool
    ) -> None:
        """Nothing is rendered yet.

        Args:
            chat: Renders the prompts; None: they are plain text.
            tags: As the user gives them; None: those that the tokenizer tells, else all known ones.
            end_token: The model's `think_end_token`; None: it has none.
            enable_thinking: What the chat template is told.
        """
        tokenizer = chat.tokenizer if chat else None
        self.tags = tags or tags_of(tokenizer)
        self.stripped = end_token is not None
        self.opened = False
        self._enable_thinking = enable_thinking
        if (dropped := dropped_tags(tokenizer, self.tags)) and not self.stripped:
            logger.warning(
                "the tags %s are special tokens, which lm-eval leaves out of answers, so that reasoning is "
                "judged as answer. Give the closing one's id: --model hf --model_args think_end_token=ID.",
                " ".join(dropped),
            )

    def saw(self, prompt: Any) -> None:
        """Take note of a rendered prompt, which is no text where a server renders."""
        tag = opened_by(prompt, self.tags) if isinstance(prompt, str) else None
        if tag and not self.opened and not self._enable_thinking:
            logger.warning(
                "the chat template opens %s although enable_thinking is false: it cannot be off", tag
            )
        self.opened = tag is not None

    def circumstances(self, truncated: bool | None, *, begun: str) -> Circumstances:
        """How an answer came about.

        Where the harness has taken the reasoning off, a text that fills the whole limit cannot have lost any:
        its reasoning never ended. Any other text is the answer.
        """
        opened = self.opened and (truncated is True or not self.stripped)
        return Circumstances(truncated=truncated, opens_thinking=opened, tags=self.tags, begun=begun)
