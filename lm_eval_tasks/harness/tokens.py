"""How many tokens an answer has, to know whether it was cut.

The harness gives a scorer the text of an answer without the reason why it ended. An answer that was cut was
generated in exactly `max_gen_toks` tokens, so its text is tokenised again and counted. Where no tokenizer is
at hand the question stays open: the count is None, never 0.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.utils import normalize_gen_kwargs

logger = logging.getLogger(__name__)

CountTokens = Callable[[str], int]


def is_cut(tokens: int, limit: int) -> bool:
    """Whether an answer of that many counted tokens was cut at `limit` generated ones.

    A model may spell a text in a few more tokens than its tokenizer does, so a count just below the limit
    means cut, too: within 2 tokens or 3%, whichever is more.
    """
    return tokens >= limit - max(2, limit // 32)


def token_counter(tokenizer: Any, metadata: Mapping[str, Any]) -> CountTokens | None:
    """A function that counts an answer's tokens, or None.

    Args:
        tokenizer: The evaluated model's tokenizer, if the run gave one.
        metadata: The harness's metadata, which contains the model's arguments: `tokenizer` or `pretrained`
            name a folder, or a model in the hub's cache. Nothing is downloaded.
    """
    if tokenizer is not None:
        return lambda text: len(tokenizer(text, add_special_tokens=False).input_ids)
    name = metadata.get("tokenizer") or metadata.get("pretrained")
    file = _model_file(name, "tokenizer.json", metadata.get("revision"))
    if file is None:
        logger.warning("no tokenizer.json is at hand for %r: what was cut stays unknown", name)
        return None
    from tokenizers import Tokenizer  # comes with transformers, hence with every local model

    fast = Tokenizer.from_file(str(file))
    fast.no_truncation()
    return lambda text: len(fast.encode(text, add_special_tokens=False).ids)


def context_length(metadata: Mapping[str, Any]) -> int | None:
    """How many tokens the model that the harness's metadata name reads, answer included; None: not known."""
    for given in ("max_length", "max_model_len"):
        if isinstance(metadata.get(given), int):
            return int(metadata[given])
    file = _model_file(metadata.get("pretrained"), "config.json", metadata.get("revision"))
    config = json.loads(file.read_text(encoding="utf-8")) if file else {}
    found = config.get("text_config", config).get("max_position_embeddings")
    return found if isinstance(found, int) else None


def count_cut(requests: Iterable[Instance], count: CountTokens, context: int, *, task: str) -> dict[str, int]:
    """Count the prompts so long that the harness cuts them from the left, and warn of them.

    Args:
        requests: Prompts with generation arguments, or with a text to be judged.
        count: Counts tokens.
        context: Tokens that the model reads, answer included.
        task: For the warning.

    Returns:
        `count`, of so many prompts (`of`), for the record beside `context`.
    """
    needed: dict[str, int] = {}
    for prompt, answer in (request.args for request in requests):
        if isinstance(prompt, str):  # a chat API renders by itself
            room = count(answer) if isinstance(answer, str) else normalize_gen_kwargs(answer)["max_gen_toks"]
            needed[prompt] = max(room, needed.get(prompt, 0))
    cut = sum(count(prompt) + room > context for prompt, room in needed.items())
    if cut:
        logger.warning(
            "%s: %d of %d prompts, with their answers, exceed the %d tokens that the model reads; lm-eval "
            "cuts them from the left, demonstrations first. Lower --num_fewshot or max_gen_toks.",
            task, cut, len(needed), context,
        )  # fmt: skip
    return {"count": cut, "of": len(needed), "context": context}


def _model_file(name: Any, file_name: str, revision: Any) -> Path | None:
    """A file of a model: of a local folder or of the hub's cache."""
    if not isinstance(name, str):
        return None
    if Path(name).is_dir():
        file = Path(name) / file_name
        return file if file.is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, file_name, revision=revision)
    except HFValidationError:  # neither a folder nor a repository's name
        return None
    return Path(cached) if isinstance(cached, str) else None
