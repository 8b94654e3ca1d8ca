"""Messages -> token ids: one answer, two contexts, exactly aligned.

A prompt is tokenised as lm-evaluation-harness' `hf` backend tokenises the same messages. The answer is
tokenised once, by itself, and its ids follow the student's and the teacher's prompt alike: nothing is ever
recovered by subtracting lengths of separately tokenised texts, whose token boundaries may move.
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompts import Message, to_plain_text


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, enable_thinking: bool = False
) -> list[int]:
    """Ids of everything before the answer, the template's generation prompt included.

    Args:
        tokenizer: With a chat template, or without one: then the plain-text form is used.
        messages: Ends with a user turn; see `lm_eval_tasks.prompts.build_messages`.
        enable_thinking: Passed to the chat template, which may open or suppress a thinking block.
    """
    return encode_prompts(tokenizer, [messages], enable_thinking=enable_thinking)[0]


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    *,
    enable_thinking: bool = False,
) -> list[list[int]]:
    """`encode_prompt` of many conversations, tokenised in parallel."""
    texts = [
        render_prompt(tokenizer, messages, enable_thinking=enable_thinking) for messages in conversations
    ]
    # The harness' rule: special tokens are added unless the template has already written the first of them.
    begins = bool(tokenizer.bos_token) and texts[0].startswith(tokenizer.bos_token)
    return tokenizer(texts, add_special_tokens=not begins)["input_ids"]


def encode_answer(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    completion: str,
    *,
    enable_thinking: bool = False,
) -> list[int]:
    """Ids of the assistant's turn after the prompt, up to and including its end-of-turn token.

    Args:
        tokenizer: As in `encode_prompt`.
        messages: The prompt that `completion` answers.
        completion: The gold answer.
        enable_thinking: As in `encode_prompt`.

    Raises:
        UserError: the chat template renders the prompt differently once the answer follows, or alters the
            answer, or no token ends a turn.
    """
    text = render_answer(tokenizer, messages, completion, enable_thinking=enable_thinking)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def render_prompt(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, enable_thinking: bool = False
) -> str:
    """The text that `encode_prompt` tokenises."""
    if tokenizer.chat_template is None:
        return to_plain_text(messages)
    return tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True, enable_thinking=enable_thinking
    )


def render_answer(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    completion: str,
    *,
    enable_thinking: bool = False,
) -> str:
    """The text that `encode_answer` tokenises; raises as it does."""
    if tokenizer.chat_template is None:
        return f" {completion}{_eos(tokenizer)}"
    prompt = render_prompt(tokenizer, messages, enable_thinking=enable_thinking)
    whole = tokenizer.apply_chat_template(
        [*messages, {"role": "assistant", "content": completion}],
        tokenize=False,
        add_generation_prompt=False,
        enable_thinking=enable_thinking,
    )
    if not whole.startswith(prompt):
        raise UserError(
            f"the chat template of {tokenizer.name_or_path!r} renders a prompt ending in {prompt[-60:]!r}, "
            "but once the answer follows, the conversation no longer begins with it. A student trained on "
            "one and asked the other would learn nothing. Use another chat template (chat_template_path)"
            + ("." if enable_thinking else ", or try enable_thinking: true.")
        )
    return _up_to_end_of_turn(tokenizer, whole[len(prompt) :], completion)


def _up_to_end_of_turn(tokenizer: PreTrainedTokenizerBase, turn: str, completion: str) -> str:
    """`turn` without what the template writes after the first added token that follows the answer."""
    content = completion.strip()
    start = turn.rfind(content)
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
