"""Which tags stand around a model's reasoning: told by its tokenizer or chat template, else those known."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from lm_eval_tasks.errors import UserError

Tags = tuple[tuple[str, str], ...]
"""Opening and closing tags."""

CHANNELS: Tags = (
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<|channel|>commentary<|message|>", "<|channel|>final<|message|>"),
)
"""gpt-oss's (https://cookbook.openai.com/articles/openai-harmony): all that does not go to `final`."""

KNOWN_TAGS: Tags = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    *CHANNELS,
)
"""Of Qwen3 and DeepSeek-R1, Magistral, Seed-OSS, Kimi, Command A, OpenThinker and others."""

# A tag of one word about thinking in a chat template or among the added tokens.
_CLOSING = re.compile(
    r"(?P<before>[<\[\u25c1])/(?P<word>[\w:]*(?i:think|thought|reason)\w*)(?P<after>[>\]\u25b7])"
)


def tags_of(tokenizer: Any) -> Tags:
    """The tags that a tokenizer's added tokens or its chat template name; all known ones where none does.

    Args:
        tokenizer: A Hugging Face tokenizer; None where there is none at hand.
    """
    template = getattr(tokenizer, "chat_template", None)
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    texts = [str(token) for token in added.values()]
    texts += template.values() if isinstance(template, dict) else [str(template or "")]
    return tuple(dict.fromkeys(_told(texts))) or KNOWN_TAGS


def _told(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    found = "\n".join(texts)
    for opening, closing in KNOWN_TAGS:
        named = (opening, closing) not in CHANNELS and opening in found and closing in found
        if named or ((opening, closing) in CHANNELS and "<|channel|>" in found):
            yield opening, closing
    for tag in _CLOSING.finditer(found):
        opening = f"{tag['before']}{tag['word']}{tag['after']}"
        if opening in found:
            yield opening, tag[0]


def dropped_tags(tokenizer: Any, tags: Tags) -> list[str]:
    """The tags among the tokenizer's special tokens: an engine that drops those leaves no tag to split at."""
    added = (getattr(tokenizer, "added_tokens_decoder", None) or {}).values()
    special = {str(token) for token in added if getattr(token, "special", False)}
    return [tag for pair in tags for tag in pair if tag in special]


def parse_tags(value: Any, where: str) -> Tags:
    """Tags as a user gives them: `["<a>", "</a>"]`, or a list of such pairs.

    Args:
        value: What was given.
        where: The field, for messages.

    Raises:
        UserError: it is something else.
    """
    pairs = [value] if isinstance(value, list) and value and isinstance(value[0], str) else value
    if not isinstance(pairs, list) or not pairs or not all(map(_is_pair, pairs)):
        raise UserError(
            f'{where} is {value!r:.80}; give an opening and a closing tag, such as ["<think>", "</think>"], '
            "or a list of such pairs."
        )
    return tuple((opening, closing) for opening, closing in pairs)


def _is_pair(value: Any) -> bool:
    filled = isinstance(value, list) and all(isinstance(tag, str) and tag.strip() for tag in value)
    return filled and len(value) == 2 and value[0] != value[1]
