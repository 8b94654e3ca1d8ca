"""Attention of rows that are laid end to end: each row for itself, or all in one call.

Notation: P tokens of the prefix, T tokens of a line, B rows of a line, S tokens of the longest.
"""

import functools
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface


def rows_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | BlockMask | None,
    *,
    row_lengths: Sequence[int] | None = None,
    row_padding: tuple[torch.Tensor, torch.Tensor] | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' attention function: each row of a line by itself, PyTorch's own over anything else.

    Args:
        module: The attention layer.
        query: `[1, heads, T, size]`.
        key: `[1, key heads, P + T, size]`.
        value: As `key`.
        attention_mask: `[1, 1, T, P + T]`, boolean or in blocks; of a line, None: rows are causal, and there
            is no prefix.
        row_lengths: Tokens of each row of the line; None: not a line. Handed through the layers, because
            gradient checkpointing runs them again when the line is over.
        row_padding: `Line.padding`, for causal rows in one call; None: row by row.
        dropout: Of attention weights.
        scaling: Of scores.
        kwargs: Whatever else the layer passes.

    Returns:
        `[1, T, heads, size]`, and no weights.
    """
    if row_lengths is None:
        plain = AttentionInterface()["sdpa"]
        return plain(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
    if isinstance(attention_mask, BlockMask):
        found = _flex()(
            query,
            key,
            value,
            block_mask=attention_mask,
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
            # One kernel for short and long lines, so that the short one that is tried out tells of both.
            kernel_options={"FORCE_USE_FLEX_ATTENTION": True},
        )
        return found.transpose(1, 2), None
    if attention_mask is None and row_padding is not None:
        return _padded(query, key, value, *row_padding, dropout=dropout, scaling=scaling), None
    prefix = key.shape[2] - query.shape[2]
    parts, begin = [], 0
    for length in row_lengths:
        row, own = slice(begin, begin + length), slice(prefix + begin, prefix + begin + length)
        part = _attend(
            query[:, :, row],
            _behind(key, prefix, own, dim=2),
            _behind(value, prefix, own, dim=2),
            None if attention_mask is None else _behind(attention_mask[:, :, row], prefix, own, dim=3),
            dropout=dropout,
            scaling=scaling,
        )
        parts.append(part.transpose(1, 2))
        begin += length
    return torch.cat(parts, dim=1), None


@functools.cache
def _flex() -> Callable[..., Any]:
    # Anew for each kind of mask, and until it knows what sizes vary; past the usual 8 it runs uncompiled.
    known = signature(torch.compile).parameters  # PyTorch 2.7 has no such argument
    options: dict[str, Any] = {"recompile_limit": 64} if "recompile_limit" in known else {}
    return torch.compile(flex_attention, **options)


def _padded(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    tokens: torch.Tensor,
    back: torch.Tensor,
    *,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """Causal rows of a line in one call, `[1, T, heads, size]`; see `Line.padding`."""

    def rows(line: torch.Tensor) -> torch.Tensor:
        """`[B, heads, S, size]`."""
        return line[0].index_select(1, tokens.flatten()).unflatten(1, tokens.shape).transpose(0, 1)

    found = _attend(rows(query), rows(key), rows(value), None, dropout=dropout, scaling=scaling)
    return found.transpose(1, 2).flatten(0, 1).index_select(0, back)[None]


def _behind(line: torch.Tensor, prefix: int, own: slice, *, dim: int) -> torch.Tensor:
    """The prefix's and a row's own share of `line` along `dim`."""
    mine = line.narrow(dim, own.start, own.stop - own.start)
    return torch.cat([line.narrow(dim, 0, prefix), mine], dim=dim) if prefix else mine


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and mask is not None and query.device.type != "cpu":
        # With a mask, CUDA's fast kernels want as many key heads as query heads; the CPU's do not mind.
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
