"""Whether a short cut gives what a plain forward pass gives, tried out once before it is taken.

What a model does is known to transformers and not to us, so nothing is taken on trust: a short cut that fails
or gives other numbers is not taken, and the log says so.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from distill.model.packed_attention import longest_window

BEYOND = 32
"""Tokens by which what is tried out is longer than the longest window."""

_LEAST = 16
"""Tokens of it at least, however short the rows are."""

_PRECISE, _ROUGH = 1e-3, 5e-2
"""Largest relative errors of hidden states: in float32 of any token, else of most of a row's last tokens."""

logger = logging.getLogger(__name__)


def probe_lengths(model: Any, longest: int | None) -> tuple[int, int]:
    """Tokens of the row that is tried out, and the model's longest window.

    Args:
        model: Unwrapped.
        longest: Tokens of the longest row that is to come; None: unknown.
    """
    window = longest_window(model.config)
    length = window + BEYOND
    return (length if longest is None else max(min(length, longest), _LEAST)), window


def probe_batch(model: Any, lengths: Sequence[int]) -> dict[str, torch.Tensor]:
    """Rows of these lengths, padded on the right: `input_ids` and `attention_mask` `[B, S]`.

    Tokens are spread over the vocabulary, and the rows begin alike.
    """
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = (torch.arange(max(lengths), device=model.device) * 7919 + 11) % vocabulary
    rows = [ids[:length] for length in lengths]
    return {
        "input_ids": pad_sequence(rows, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
    }


def alike(found: torch.Tensor, expected: torch.Tensor, lengths: Sequence[int]) -> bool:
    """Whether hidden states `[N, H]` are the same but for rounding.

    Args:
        found: The short cut's.
        expected: Those of a plain forward pass.
        lengths: Tokens of each row, N altogether.
    """
    error = (found.float() - expected.float()).norm(dim=-1) / expected.float().norm(dim=-1)
    if expected.dtype in (torch.float32, torch.float64):
        return bool(error.max() < _PRECISE)
    # A mixture of experts may send a few tokens elsewhere; a wrong mask spoils all that stand at a row's end.
    return all(bool(row[-BEYOND:].median() < _ROUGH) for row in error.split(list(lengths)))


def works(what: str, model: nn.Module, same: Callable[[], bool]) -> bool:
    """Whether `same` says so; if it does not, or fails, the log does.

    Args:
        what: The short cut, for the log.
        model: The model, for the log.
        same: Tries it out.
    """
    kind = type(model).__name__
    try:
        if same():
            return True
        logger.warning("%s: not %s, because that gives other numbers; the plain way is taken", kind, what)
    except Exception as error:  # whatever a model's code, which is not ours, may raise
        logger.warning("%s: not %s (%s: %s); the plain way is taken", kind, what, type(error).__name__, error)
    return False
