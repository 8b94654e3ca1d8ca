"""Prompts and answers -> token ids: one answer, two contexts, exactly aligned.

A prompt is tokenised as lm-evaluation-harness' `hf` backend tokenises the same messages. The answer is
tokenised once, by itself, and its ids follow the student's and the teacher's prompt alike: nothing is ever
recovered by subtracting lengths of separately tokenised texts, whose token boundaries may move.

A prompt is chat messages or text (`lm_eval_tasks.episodes.Prompt`). Messages may end with the beginning of
the assistant's turn, which the answer then goes on from.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from lm_eval_tasks.episodes import QUESTION, Prompt
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.chat_template import explained
from lm_eval_tasks.prompting.plain_text import plain_answer, to_plain_text

Tools = Sequence[Mapping[str, Any]] | None

_PLACEHOLDER = "\u2063answer\u2063"
"""Stands for the answer while the place is looked for where a template puts it; no text contains it."""


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt | Sequence[Mapping[str, Any]],
    *,
    enable_thinking: bool = False,
    tools: Tools = None,
    label: str = QUESTION,
) -> list[int]:
    """Ids of everything before the answer, the template's generation prompt included.

    Args:
        tokenizer: With a chat template, or without one: then messages take their plain-text form.
        prompt: Messages that end with the user's turn or the beginning of the assistant's; or text.
        enable_thinking: Passed to the chat template, which may open or suppress a thinking block.
        tools: Passed to the chat template.
        label: See `lm_eval_tasks.episodes.Episode`; without a chat template.
    """
    prompts = [prompt]
    return encode_prompts(tokenizer, prompts, enable_thinking=enable_thinking, tools=tools, label=label)[0]


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt | Sequence[Mapping[str, Any]]],
    *,
    enable_thinking: bool = False,
    tools: Tools = None,
    label: str = QUESTION,
) -> list[list[int]]:
    """`encode_prompt` of many prompts, tokenised in parallel."""
    texts = [
        render_prompt(tokenizer, prompt, enable_thinking=enable_thinking, tools=tools, label=label)
        for prompt in prompts
    ]
    # The harness' rule: special tokens are added unless the template has already written the first of them.
    begins = bool(tokenizer.bos_token) and texts[0].startswith(tokenizer.bos_token)
    return tokenizer(texts, add_special_tokens=not begins)["input_ids"]


def encode_answer(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt | Sequence[Mapping[str, Any]],
    completion: str,
    *,
    enable_thinking: bool = False,
    tools: Tools = None,
) -> list[int]:
    """Ids of the assistant's turn after the prompt, up to and including its end-of-turn token.

    Args:
        tokenizer: As in `encode_prompt`.
        prompt: What `completion` answers.
        completion: The answer; behind a text prompt it begins with what separates the two.
        enable_thinking: As in `encode_prompt`.
        tools: As in `encode_prompt`.

    Raises:
        UserError: the chat template renders the prompt differently once the answer follows, or alters the
            answer, or no token ends a turn.
    """
    text = render_answer(tokenizer, prompt, completion, enable_thinking=enable_thinking, tools=tools)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def render_prompt(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt | Sequence[Mapping[str, Any]],
    *,
    enable_thinking: bool = False,
    tools: Tools = None,
    label: str = QUESTION,
) -> str:
    """The text that `encode_prompt` tokenises.

    Raises:
        UserError: the chat template refuses the messages.
    """
    if isinstance(prompt, str):
        return prompt
    messages = [dict(message) for message in prompt]
    if tokenizer.chat_template is None:
        return to_plain_text(messages, label=label)
    goes_on = messages[-1]["role"] == "assistant"
    with explained(messages):
        return tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
            enable_thinking=enable_thinking,
            tools=list(tools) if tools else None,
        )


def render_answer(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt | Sequence[Mapping[str, Any]],
    completion: str,
    *,
    enable_thinking: bool = False,
    tools: Tools = None,
) -> str:
    """The text that `encode_answer` tokenises; raises as it does."""
    if isinstance(prompt, str):
        return completion + _eos(tokenizer)
    if tokenizer.chat_template is None:
        return f" {plain_answer(completion)}{_eos(tokenizer)}"
    before = render_prompt(tokenizer, prompt, enable_thinking=enable_thinking, tools=tools)

    def turn(answer: str) -> str:
        """What the template writes after the prompt where the assistant says `answer`."""
        messages = _answered(prompt, answer)
        with explained(messages):
            whole = tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=False,
                enable_thinking=enable_thinking,
                tools=list(tools) if tools else None,
            )
        if not whole.startswith(before):
            raise _other_prompt(tokenizer, before, enable_thinking)
        return whole[len(before) :]

    return _up_to_end_of_turn(tokenizer, turn(completion), completion, turn(_PLACEHOLDER))


def _answered(prompt: Sequence[Mapping[str, Any]], answer: str) -> list[dict[str, Any]]:
    """The conversation with its answer; an assistant's turn that was begun is gone on with."""
    messages = [dict(message) for message in prompt]
    begun = messages.pop()["content"] if messages[-1]["role"] == "assistant" else ""
    return [*messages, {"role": "assistant", "content": begun + answer}]


def _other_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str, enable_thinking: bool) -> UserError:
    return UserError(
        f"the chat template of {tokenizer.name_or_path!r} renders a prompt ending in {prompt[-60:]!r}, "
        "but once the answer follows, the conversation no longer begins with it. A student trained on "
        "one and asked the other would learn nothing. Use another chat template (chat_template_path)"
        + ("." if enable_thinking else ", or try enable_thinking: true.")
    )


def _up_to_end_of_turn(tokenizer: PreTrainedTokenizerBase, turn: str, completion: str, probe: str) -> str:
    """`turn` without what the template writes after the first added token that follows the answer.

    Args:
        tokenizer: Names the added tokens.
        turn: What the template wrote after the prompt.
        completion: The answer in it.
        probe: The same of `_PLACEHOLDER`, whose place cannot be mistaken; an answer such as `im` may stand in
            the end-of-turn token as well.
    """
    content = completion.strip()
    begin, _, close = probe.partition(_PLACEHOLDER)
    end = len(turn) - len(close)
    if not (turn.startswith(begin) and turn.endswith(close) and turn[len(begin) : end].strip() == content):
        start = turn.rfind(content)  # a template that takes answers apart, such as by their thinking
        if start < 0:
            raise UserError(
                f"the chat template of {tokenizer.name_or_path!r} alters answers: {content[:60]!r} does not "
                f"occur in the rendered turn {turn[:80]!r}. Use another chat template (chat_template_path)."
            )
        end = start + len(content)
    markers = {str(token) for token in tokenizer.added_tokens_decoder.values()} | {_eos(tokenizer)}
    found = [(turn.find(marker, end), -len(marker), marker) for marker in markers if marker in turn[end:]]
    if not found:
        return turn[:end] + _eos(tokenizer)
    position, _, marker = min(found)
    return turn[: position + len(marker)]


def _eos(tokenizer: PreTrainedTokenizerBase) -> str:
    if not tokenizer.eos_token:
        raise UserError(
            f"the tokenizer {tokenizer.name_or_path!r} has no end-of-sequence token, so an answer could "
            "never end. Set eos_token in its tokenizer_config.json."
        )
    return tokenizer.eos_token
