"""How the fingerprints of two caches of targets are compared, and the tokenizer's part of one."""

import json
from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedTokenizerBase

from distill.model.fingerprints import digest


def difference(cached: Mapping[str, Any], current: Mapping[str, Any]) -> str | None:
    """The first part in which two fingerprints differ, with both values; None if they agree."""
    both_known = cached.get("weights") is not None and current.get("weights") is not None
    unimportant = "model" if both_known else "weights"
    for part in current:
        before, now = cached.get(part), current[part]
        if part == unimportant or before == now:
            continue
        if isinstance(now, dict) and isinstance(before, dict | None):
            # An earlier version noted less; what it did not know was not there.
            before = before or {}
            inner = next((key for key in now if before.get(key) != now[key]), None)
            if inner is None:
                continue
            return f"{part} ({inner}): {before.get(inner)!r} there, {now[inner]!r} here"
        return f"{part}: {before!r} there, {now!r} here"
    return None


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """A digest of what turns text into ids."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return digest(tokenizer.get_vocab())
    content = json.loads(backend.to_str())
    # Every call may set these two, so they are no property of the tokenizer.
    return digest({key: value for key, value in content.items() if key not in ("padding", "truncation")})
