"""The demonstrations' keys and values, computed once and read by every row of every step.

With fixed demonstrations all teacher prompts of a run begin with the same tokens. Their attention states do
not depend on what follows, so they are computed once; a step then runs the teacher over the question and
answer only. The rows of a batch are laid end to end in one sequence without padding, and a mask lets each
token see the shared prefix and its own row: the prefix is never copied per row.

Notation: P tokens of the prefix, T tokens of a line (rows laid end to end).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import Cache, DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

from lm_eval_tasks.errors import UserError

LINE_TOKENS = 1024
"""Rows are laid end to end up to this length: a longer line wastes attention on masked pairs of rows."""


class _ReadOnlyLayer(DynamicLayer):
    """One layer's prefix: a forward pass reads it with its own states behind, and leaves it as it was."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the prefix followed by the new ones, `[1, heads, P + T, size]`."""
        return torch.cat([self.keys, key_states], dim=-2), torch.cat([self.values, value_states], dim=-2)


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """Tokens that many prompts begin with, and their attention states.

    Attributes:
        ids: `[P]`.
        cache: Read-only; None if P is 0.
    """

    ids: torch.Tensor
    cache: Cache | None

    @classmethod
    def build(cls, model: nn.Module, ids: Sequence[int], device: torch.device) -> "SharedPrefix":
        """Run `model` over the prefix; call it where gradients are off and the teacher is switched on."""
        tensor = torch.tensor(ids, dtype=torch.long, device=device)
        if not ids:
            return cls(tensor, None)
        # Without the model's config the cache keeps every position, in sliding-window layers too.
        cache = DynamicCache()
        model(input_ids=tensor[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
        layers = [_ReadOnlyLayer(layer.keys, layer.values) for layer in cache.layers]
        return cls(tensor, Cache(layers=layers))

    def shared_lengths(self, input_ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """How many tokens of each row `[B, S]` the prefix covers, `[B]`.

        At least one token before the answer is left to the row: it predicts the answer's first token.

        Args:
            input_ids: Right-padded rows.
            lengths: Tokens of each row's prompt `[B]`.
        """
        reach = min(len(self.ids), input_ids.shape[1])
        same = (input_ids[:, :reach] == self.ids[:reach]).int().cumprod(-1).sum(-1)
        return torch.minimum(same, lengths - 1)


@dataclass(frozen=True, slots=True)
class Line:
    """Rows laid end to end, each behind its share of the prefix.

    Attributes:
        rows: Which rows of the batch.
        input_ids: `[1, T]`.
        position_ids: `[1, T]`; a row's first token stands right behind its share of the prefix.
        visible: `[T, P + T]`: what each token may attend to.
        distance: `[T, P + T]`: how far back each of those stands, for sliding windows.
    """

    rows: range
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
    lengths = torch.tensor([len(suffix) for suffix in suffixes], device=device)
    row = torch.repeat_interleave(torch.arange(len(suffixes), device=device), lengths)
    behind = torch.tensor(shared, device=device)[row]
    begin = (lengths.cumsum(0) - lengths)[row]
    position = torch.arange(len(row), device=device) - begin + behind
    prefix_position = torch.arange(prefix_length, device=device)
    distance = torch.cat([position[:, None] - prefix_position, position[:, None] - position], dim=1)
    visible = torch.cat(
        [prefix_position < behind[:, None], (row[:, None] == row) & (position[:, None] >= position)], dim=1
    )
    return Line(rows, torch.cat(list(suffixes))[None], position[None], visible, distance)


def attention_mask(line: Line, config: PreTrainedConfig) -> torch.Tensor | dict[str, torch.Tensor]:
    """The mask `[1, 1, T, P + T]` of a line; one per layer type for models with sliding windows.

    Raises:
        UserError: the model's attention cannot be given a mask.
    """
    implementation = config._attn_implementation
    if implementation not in ("sdpa", "eager"):
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
    if implementation == "sdpa":
        return visible[None, None]
    mask = torch.zeros(visible.shape, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(mask.dtype).min)[None, None]
