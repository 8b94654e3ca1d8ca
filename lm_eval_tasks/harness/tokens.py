"""How many tokens an answer has, to know whether it was cut.

The harness gives a scorer the text of an answer without the reason why it ended. An answer that was cut was
generated in exactly `max_gen_toks` tokens, so its text is tokenised again and counted. Where no tokenizer is
at hand the question stays open: the count is None, never 0.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
    file = _tokenizer_file(name, metadata.get("revision")) if isinstance(name, str) else None
    if file is None:
        logger.warning("no tokenizer.json is at hand for %r: the truncated rate stays unknown", name)
        return None
    from tokenizers import Tokenizer  # comes with transformers, hence with every local model

    fast = Tokenizer.from_file(str(file))
    fast.no_truncation()
    return lambda text: len(fast.encode(text, add_special_tokens=False).ids)


def _tokenizer_file(name: str, revision: Any) -> Path | None:
    """`tokenizer.json` of a local folder or of the hub's cache."""
    if Path(name).is_dir():
        file = Path(name) / "tokenizer.json"
        return file if file.is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "tokenizer.json", revision=revision)
    except HFValidationError:  # neither a folder nor a repository's name
        return None
    return Path(cached) if isinstance(cached, str) else None
