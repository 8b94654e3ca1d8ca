"""Attention of many rows to tokens that all of them begin with, whose keys and values are stored once.

A cache that repeats those tokens for every row is read, joined and widened to all query heads anew at each
step: with 600 tokens and 32 rows that is most of the time of a small model on a CPU. Here the rows' queries
meet the shared keys in one matrix product, and each row has a cache of its own tokens only.

Notation: B rows, T new tokens of each, P shared tokens, N own tokens of each row so far (T among them),
H query heads, K key heads, D size of a head.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.masking_utils import sdpa_mask

SHARED_ATTENTION = "icl_shared_prompt"
"""Name under which transformers knows this attention."""

SCORES_AT_ONCE = 2**21
"""Attention scores that are computed together: what a processor's cache holds."""


class OwnLayer(DynamicLayer):
    """One layer's cache of what stands behind the shared tokens; its length counts them too."""

    def __init__(self, shared: int) -> None:
        """`shared` is P."""
        super().__init__()
        self.shared = shared

    def get_seq_length(self) -> int:
        """P and the own tokens."""
        return self.shared + int(super().get_seq_length())


class SharedStates:
    """The shared tokens' keys and values, stored once, and the attention to them.

    Attributes:
        length: P.
        layers: Keys and values `[K, P, D]` of each layer.
    """

    def __init__(self, cache: Cache) -> None:
        """`cache` is filled with the shared tokens at batch 1."""
        self.length = int(cache.get_seq_length())
        self.layers = [(layer.keys[0], layer.values[0]) for layer in cache.layers]

    def new_cache(self, rows: int) -> Cache:
        """A cache for a batch: of the own tokens only, whatever the number of rows."""
        return Cache(layers=[OwnLayer(self.length) for _ in self.layers])

    @contextmanager
    def attended_by(self, model: PreTrainedModel) -> Iterator[None]:
        """In here the model, whose attention is `sdpa`, attends to these tokens before its own."""
        AttentionInterface.register(SHARED_ATTENTION, self._attend)
        AttentionMaskInterface.register(SHARED_ATTENTION, _whole_mask)
        model.set_attn_implementation(SHARED_ATTENTION)
        try:
            yield
        finally:
            model.set_attn_implementation("sdpa")

    def _attend(
        self,
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor,
        scaling: float | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        """Transformers' attention function.

        Args:
            module: The attention layer.
            query: `[B, H, T, D]`.
            key: Of the own tokens, `[B, K, N, D]`.
            value: As `key`.
            attention_mask: `[B, 1, T, P + N]`, boolean.
            scaling: Of scores.

        Returns:
            `[B, T, H, D]`, and no weights.
        """
        rows, heads, new, size = query.shape
        query = query * (size**-0.5 if scaling is None else scaling)
        shared = self.layers[int(module.layer_idx)]  # type: ignore[arg-type] # a number on every attention layer
        own_mask = attention_mask[..., self.length :]
        step = max(1, SCORES_AT_ONCE // (heads * new * attention_mask.shape[-1]))
        parts = [
            _attend_rows(query[at], key[at], value[at], own_mask[at], shared)
            for at in (slice(first, first + step) for first in range(0, rows, step))
        ]
        return torch.cat(parts).transpose(1, 2).contiguous(), None


class RepeatedStates:
    """The same offer with a cache that holds the shared tokens once for each row, for any attention.

    Where a step is bound by the number of kernels and not by what they read, as on GPUs, this is faster.
    """

    def __init__(self, cache: Cache) -> None:
        """`cache` is filled with the shared tokens at batch 1."""
        self._layers = [(layer.keys, layer.values) for layer in cache.layers]

    def new_cache(self, rows: int) -> Cache:
        """A cache for a batch of `rows`."""
        cache = DynamicCache()
        for index, states in enumerate(self._layers):
            cache.update(*(each.expand(rows, -1, -1, -1) for each in states), index)
        return cache

    def attended_by(self, model: PreTrainedModel) -> AbstractContextManager[None]:
        """The model's own attention does."""
        return nullcontext()


def _attend_rows(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    own_mask: torch.Tensor,
    shared: Sequence[torch.Tensor],
) -> torch.Tensor:
    """`[B, H, T, D]`: softmax over the shared and the own tokens together, in float32 as elsewhere."""
    rows, heads, new, _ = query.shape
    groups = key.shape[1]
    shared_key, shared_value = shared
    length = shared_key.shape[1]
    grouped = query.reshape(rows, groups, -1, query.shape[-1])  # [B, K, H/K * T, D]
    to_own = (grouped @ key.mT).unflatten(2, (-1, new))  # [B, K, H/K, T, N]
    to_own = to_own.masked_fill(~own_mask[:, :, None], float("-inf")).flatten(2, 3)
    # Key heads first: so the shared part, which is nearly all, goes from product to product without a copy.
    to_shared = _heads_first(grouped) @ shared_key.mT  # [K, B * H/K * T, P]
    scores = torch.cat([to_shared, _heads_first(to_own)], dim=-1)
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    of_shared = weights[..., :length] @ shared_value
    of_own = _rows_first(weights[..., length:], rows) @ value
    mixed = _rows_first(of_shared, rows) + of_own
    return mixed.reshape(rows, heads, new, -1)


def _heads_first(states: torch.Tensor) -> torch.Tensor:
    """`[B, K, X, Y]` as `[K, B * X, Y]`."""
    return states.transpose(0, 1).flatten(1, 2)


def _rows_first(states: torch.Tensor, rows: int) -> torch.Tensor:
    """`[K, B * X, Y]` as `[B, K, X, Y]`."""
    return states.unflatten(1, (rows, -1)).transpose(0, 1)


def _whole_mask(*args: Any, **kwargs: Any) -> torch.Tensor:
    """The mask of `sdpa`, never left out."""
    return sdpa_mask(*args, **{**kwargs, "allow_is_causal_skip": False})
