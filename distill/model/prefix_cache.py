"""The demonstrations' keys and values, computed once and read by every row of every step.

With fixed demonstrations all teacher prompts of a run begin with the same tokens. Their attention states do
not depend on what follows, so they are computed once; a step then runs the teacher over the question and
answer only. The rows of a batch are laid end to end in one sequence without padding, and a mask lets each
token see the shared prefix and its own row (see `distill.model.packed_attention`).

Notation: P tokens of the prefix, T tokens of a line (rows laid end to end).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from distill.model.output_head import without_aux_loss


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
        # Without the model's config the cache keeps every position, in sliding-window layers too: a row may
        # stand behind a part of the prefix. Layers of other kinds never come here (`use_rows_attention`).
        cache = DynamicCache()
        model(
            input_ids=tensor[None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **without_aux_loss(model),
        )
        layers = [_ReadOnlyLayer(layer.keys, layer.values) for layer in cache.layers]
        return cls(tensor, Cache(layers=layers))

    def shared_lengths(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, wanted: torch.Tensor
    ) -> torch.Tensor:
        """How many tokens of each row `[B, S]` the prefix covers, `[B]`; none from the first wanted one on.

        Args:
            input_ids: Rows, padded on either side.
            attention_mask: Their tokens.
            wanted: Tokens whose states are needed, a mask.
        """
        reach = min(len(self.ids), input_ids.shape[1])
        begin = attention_mask.int().argmax(-1, keepdim=True)
        own = torch.arange(reach, device=input_ids.device) + begin
        ids = input_ids.gather(1, own.clamp(max=input_ids.shape[1] - 1))
        same = (ids == self.ids[:reach]).int().cumprod(-1).sum(-1)
        return torch.minimum(same, wanted.int().argmax(-1) - begin[:, 0])
