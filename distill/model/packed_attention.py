"""Rows laid end to end in one sequence: no padding, no attention across rows.

Each token sees the shared prefix, if there is one, and its own row. A mask says so to any model; where the
model's attention is PyTorch's, `rows_attention` in its place also leaves out what the mask forbids, so that a
line costs no more attention than its rows do.

Notation: P tokens of the prefix, T tokens of a line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedConfig, PreTrainedModel
from transformers.masking_utils import sdpa_mask

from lm_eval_tasks.errors import UserError

LINE_TOKENS = 4096
"""Longest line: its mask has this times P + T entries."""

ROWS_ATTENTION = "icl_rows"
"""Name under which `rows_attention` is registered with transformers."""


@dataclass(frozen=True, slots=True)
class Line:
    """Rows laid end to end, each behind its share of the prefix.

    Attributes:
        rows: Which rows of the batch.
        lengths: Tokens of each of them.
        input_ids: `[1, T]`.
        position_ids: `[1, T]`; a row's first token stands right behind its share of the prefix.
        visible: `[T, P + T]`: what each token may attend to.
        distance: `[T, P + T]`: how far back each of those stands, for sliding windows.
    """

    rows: range
    lengths: tuple[int, ...]
    input_ids: torch.Tensor
    position_ids: torch.Tensor
    visible: torch.Tensor
    distance: torch.Tensor


def lay_out(
    suffixes: Sequence[torch.Tensor],
    shared: Sequence[int],
    prefix_length: int,
    *,
    line_tokens: int = LINE_TOKENS,
) -> Iterator[Line]:
    """Lay rows end to end, in order.

    Args:
        suffixes: Token ids of each row behind the prefix.
        shared: How much of the prefix each row stands behind.
        prefix_length: P.
        line_tokens: Longest line; a single longer row makes a line of its own.
    """
    first = 0
    while first < len(suffixes):
        last, total = first + 1, len(suffixes[first])
        while last < len(suffixes) and total + len(suffixes[last]) <= line_tokens:
            total += len(suffixes[last])
            last += 1
        yield _line(range(first, last), suffixes[first:last], shared[first:last], prefix_length)
        first = last


def _line(rows: range, suffixes: Sequence[torch.Tensor], shared: Sequence[int], prefix_length: int) -> Line:
    device = suffixes[0].device
    counts = tuple(len(suffix) for suffix in suffixes)
    lengths = torch.tensor(counts, device=device)
    row = torch.repeat_interleave(torch.arange(len(suffixes), device=device), lengths)
    behind = torch.tensor(shared, device=device)[row]
    begin = (lengths.cumsum(0) - lengths)[row]
    position = torch.arange(len(row), device=device) - begin + behind
    prefix_position = torch.arange(prefix_length, device=device)
    distance = torch.cat([position[:, None] - prefix_position, position[:, None] - position], dim=1)
    visible = torch.cat(
        [prefix_position < behind[:, None], (row[:, None] == row) & (position[:, None] >= position)], dim=1
    )
    return Line(rows, counts, torch.cat(list(suffixes))[None], position[None], visible, distance)


def line_inputs(line: Line, config: PreTrainedConfig) -> dict[str, Any]:
    """What a model of this configuration is called with to run a line.

    Raises:
        UserError: the model's attention cannot be given a mask.
    """
    inputs = {
        "input_ids": line.input_ids,
        "position_ids": line.position_ids,
        "attention_mask": attention_mask(line, config),
    }
    return inputs | {"row_lengths": line.lengths} if config._attn_implementation == ROWS_ATTENTION else inputs


def attention_mask(line: Line, config: PreTrainedConfig) -> torch.Tensor | dict[str, torch.Tensor]:
    """The mask `[1, 1, T, P + T]` of a line; one per layer type for models with sliding windows.

    Raises:
        UserError: the model's attention cannot be given a mask.
    """
    implementation = config._attn_implementation
    if implementation not in (ROWS_ATTENTION, "sdpa", "eager"):
        raise UserError(
            f"shared_prefix: true needs attn_implementation sdpa or eager, not {implementation!r}; set one "
            "of them, or shared_prefix: false."
        )
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if unknown := kinds - {"full_attention", "sliding_attention"}:
        raise UserError(
            f"shared_prefix: true does not know the layers {sorted(unknown)} of model type "
            f"{config.model_type!r}; set shared_prefix: false."
        )
    full = _mask(line.visible, implementation)
    if "sliding_attention" not in kinds:
        return full
    sliding = _mask(line.visible & (line.distance < config.sliding_window), implementation)
    return {"full_attention": full, "sliding_attention": sliding}


def _mask(visible: torch.Tensor, implementation: str) -> torch.Tensor:
    """Boolean for SDPA, which takes it at any precision; additive for eager attention."""
    if implementation != "eager":
        return visible[None, None]
    mask = torch.zeros(visible.shape, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(mask.dtype).min)[None, None]


def use_rows_attention(model: PreTrainedModel | PeftModel) -> bool:
    """Put `rows_attention` in the place of PyTorch's attention; False if the model uses another.

    Args:
        model: Unwrapped; with or without a PEFT adapter.
    """
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if base.config._attn_implementation == "sdpa":
        AttentionInterface.register(ROWS_ATTENTION, rows_attention)
        AttentionMaskInterface.register(ROWS_ATTENTION, sdpa_mask)
        base.set_attn_implementation(ROWS_ATTENTION)
    return base.config._attn_implementation == ROWS_ATTENTION


def rows_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    row_lengths: Sequence[int] | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' attention function: row by row over a line, PyTorch's own over anything else.

    Args:
        module: The attention layer.
        query: `[1, heads, T, size]`.
        key: `[1, key heads, P + T, size]`.
        value: As `key`.
        attention_mask: `[1, 1, T, P + T]`, boolean.
        row_lengths: Tokens of each row of the line; None: not a line.
        dropout: Of attention weights.
        scaling: Of scores.
        kwargs: Whatever else the layer passes.

    Returns:
        `[1, T, heads, size]`, and no weights.
    """
    if row_lengths is None or attention_mask is None:
        plain = AttentionInterface()["sdpa"]
        return plain(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
    prefix = key.shape[2] - query.shape[2]
    # PyTorch's fastest kernels know "causal" but no mask, and a row behind nothing needs no more.
    causal = prefix == 0 and kwargs.get("sliding_window") is None
    parts, begin = [], 0
    for length in row_lengths:
        row, own = slice(begin, begin + length), slice(prefix + begin, prefix + begin + length)
        part = _attend(
            query[:, :, row],
            _behind(key, prefix, own, dim=2),
            _behind(value, prefix, own, dim=2),
            None if causal else _behind(attention_mask[:, :, row], prefix, own, dim=3),
            dropout=dropout,
            scaling=scaling,
        )
        parts.append(part.transpose(1, 2))
        begin += length
    return torch.cat(parts, dim=1), None


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
