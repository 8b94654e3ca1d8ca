"""Chat messages -> the text a model reads, with thinking explicitly on or off.

The harness hands a task the bound method `lm.apply_chat_template`, which takes no template arguments; without
`enable_thinking` in `--model_args`, Qwen3 would think until it is cut. So the text is rendered here, by the
tokenizer of the model that the method is bound to, with the model's own template and template arguments. The
model object stays as it is, for the other tasks of the run.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from jinja2.exceptions import TemplateError

from lm_eval_tasks.episodes import Message
from lm_eval_tasks.errors import UserError

logger = logging.getLogger(__name__)


def render_chat(
    tokenizer: Any, messages: Sequence[Message], *, enable_thinking: bool, **template: Any
) -> str:
    """The prompt that `tokenizer`'s chat template makes of `messages`, up to where the answer begins.

    Args:
        tokenizer: A Hugging Face tokenizer, or one with the same `apply_chat_template`.
        messages: Turns, the last one the user's.
        enable_thinking: Given to the template by name; templates that do not know it ignore it.
        template: Further arguments of the template.

    Raises:
        UserError: the tokenizer has no template, or its template refuses the messages.
    """
    with explained(messages):
        return str(
            tokenizer.apply_chat_template(
                list(messages),
                tokenize=False,
                add_generation_prompt=True,
                continue_final_message=False,
                enable_thinking=enable_thinking,
                **template,
            )
        )


@contextmanager
def explained(messages: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Turn what a template refuses into an error with a remedy; `messages` are the turns it is given.

    Raises:
        UserError: the template refuses them, or cannot be read; or there is none.
    """
    try:
        yield
    except TemplateError as error:
        roles = ", ".join(dict.fromkeys(message["role"] for message in messages))
        raise UserError(
            f"the model's chat template refuses turns of the roles {roles}: {error}. A template without a "
            "system role (Gemma's) needs a run without --system_instruction, --document and system turns of "
            "the rows."
        ) from error
    except ValueError as error:
        if "chat_template" not in str(error):
            raise
        raise UserError(
            "the model's tokenizer has no chat template; leave out --apply_chat_template (base models answer "
            "plain text)."
        ) from error


class ModelChat:
    """Renders for the model that the harness evaluates.

    Attributes:
        model: The harness's model; None where the method is bound to none.
        tokenizer: The model's tokenizer; None where a server holds it.
        think_end_token: Where the harness cuts the model's reasoning off; None: it does not.
        context: Tokens that the model reads, answer included; None where that is unknown.
    """

    def __init__(self, apply_chat_template: Callable[..., Any], *, enable_thinking: bool) -> None:
        """`apply_chat_template` is the bound method that the harness hands to a task."""
        self.model = model = getattr(apply_chat_template, "__self__", None)
        tokenizer = getattr(model, "tokenizer", None)
        self.tokenizer = tokenizer if hasattr(tokenizer, "apply_chat_template") else None
        self.think_end_token = getattr(model, "think_end_token", None)
        self.context: int | None = getattr(model, "max_length", None)
        self._apply = apply_chat_template
        self._enable_thinking = enable_thinking
        # vLLM's wrapper resolves the template itself; both wrappers keep the user's arguments.
        self._template = dict(getattr(model, "chat_template_args", None) or {})
        if template := getattr(model, "hf_chat_template", None):
            self._template["chat_template"] = template
        self._template.pop("enable_thinking", None)
        # Chat APIs return a JSON wrapper and let the server render.
        question = [{"role": "user", "content": "?"}]
        with explained(question):
            probe = apply_chat_template(question, add_generation_prompt=True)
        self.renders_here = isinstance(probe, str) and self.tokenizer is not None
        if not self.renders_here:
            logger.warning(
                "the server renders the chat: enable_thinking=%s cannot be passed", enable_thinking
            )

    def render(self, messages: Sequence[Message], *, tools: Sequence[Mapping[str, Any]] | None = None) -> Any:
        """The prompt as text; as the harness's JSON wrapper where the server renders.

        Args:
            messages: See `render_chat`.
            tools: Tool schemas, which the template writes into the prompt.

        Raises:
            UserError: see `render_chat`; or there are tools, which no server can be told of here.
        """
        if not self.renders_here:
            if tools:
                raise UserError(
                    "rows with tools cannot be asked where the server renders the chat: the harness sends "
                    "it no tools. Evaluate with --model hf or --model vllm."
                )
            return self._apply(list(messages), add_generation_prompt=True)
        template = self._template | ({"tools": [dict(tool) for tool in tools]} if tools else {})
        return render_chat(self.tokenizer, messages, enable_thinking=self._enable_thinking, **template)
