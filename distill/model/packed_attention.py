"""Rows laid end to end in one sequence: no padding, no attention across rows.

Each token sees the shared prefix, if there is one, and its own row, as far as the layer lets it. How far that
is (sliding windows, chunks) is transformers' knowledge: its models ask the mask interface for a mask and say
there by a function of two positions which token sees which. While a line is run, `_line_mask` answers, with
the positions of tokens in their rows in the place of their places in the line.

Where the model's attention is PyTorch's, `rows_attention` in its place also leaves out what the mask forbids,
so that a line costs no more attention than its rows do. On a GPU all rows share one call: causal rows are
padded for it, and what runs without gradients behind a prefix or within windows is FlexAttention's.

Notation: P tokens of the prefix, T tokens of a line, B rows of a line, S tokens of the longest.
"""

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    DynamicCache,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.masking_utils import causal_mask_function, eager_mask, sdpa_mask

from distill.model.rows_attention import rows_attention

logger = logging.getLogger(__name__)

LINE_TOKENS = 4096
"""Longest line: its mask has this times P + T entries."""

ROWS_ATTENTION = "icl_rows"
"""Name under which `rows_attention` is registered with transformers."""

MaskFunction = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""transformers' own: of batch, head, query and key position, whether the one sees the other."""


@dataclass(frozen=True, slots=True)
class Line:
    """Rows laid end to end, each behind its share of the prefix.

    Attributes:
        rows: Which rows of the batch.
        lengths: Tokens of each of them.
        prefix: P.
        input_ids: `[1, T]`.
        position_ids: `[1, T]`; a row's first token stands right behind its share of the prefix.
        row: The row of each token `[T]`.
        shared: How much of the prefix stands before each token `[T]`.
    """

    rows: range
    lengths: tuple[int, ...]
    prefix: int
    input_ids: torch.Tensor
    position_ids: torch.Tensor
    row: torch.Tensor
    shared: torch.Tensor

    def mask(self, seen: MaskFunction) -> torch.Tensor:
        """What each token may attend to, boolean `[1, 1, T, P + T]`, if a layer lets it see `seen`."""
        prefix = torch.arange(self.prefix, device=self.row.device)
        queries = self.position_ids[0]
        keys = torch.cat([prefix, queries])
        first = torch.zeros((1, 1, 1, 1), dtype=torch.long, device=self.row.device)
        own = torch.cat([prefix < self.shared[:, None], self.row[:, None] == self.row], dim=1)
        return own & seen(first, first, queries[None, None, :, None], keys[None, None, None, :])

    def block_mask(self, seen: MaskFunction) -> BlockMask:
        """`mask` as FlexAttention takes it: blocks that nobody attends to are not computed."""
        queries, row, shared = self.position_ids[0], self.row, self.shared
        keys = torch.cat([torch.arange(self.prefix, device=row.device), queries])
        key_row = torch.cat([row.new_full((self.prefix,), -1), row])

        def allowed(
            batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
        ) -> torch.Tensor:
            before = (key_row[key] < 0) & (keys[key] < shared[query])
            return (before | (key_row[key] == row[query])) & seen(batch, head, queries[query], keys[key])

        return create_block_mask(allowed, None, None, len(row), len(keys), device=row.device)

    def padding(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Places in the line of the rows' tokens `[B, S]`, and the places in that of the line's tokens `[T]`.

        A shorter row ends in copies of its last token; None: there would be far more of them than tokens.
        """
        longest = max(self.lengths)
        if longest * len(self.lengths) > 2 * LINE_TOKENS:
            return None
        lengths = torch.tensor(self.lengths)[:, None]
        offsets = torch.arange(longest)[None]
        tokens = lengths.cumsum(0) - lengths + torch.minimum(offsets, lengths - 1)
        back = (offsets < lengths).flatten().nonzero()[:, 0]
        told = torch.cat([tokens.flatten(), back]).to(self.row.device, non_blocking=True)
        return told[: tokens.numel()].view_as(tokens), told[tokens.numel() :]


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
    counts = tuple(len(suffix) for suffix in suffixes)
    lengths, total = torch.tensor(counts), sum(counts)
    row = torch.repeat_interleave(torch.arange(len(counts)), lengths, output_size=total)
    behind = torch.tensor(shared)[row]
    position = torch.arange(total) - (lengths.cumsum(0) - lengths)[row] + behind
    # Made here and sent in one piece that nobody waits for.
    told = torch.stack([row, behind, position]).to(suffixes[0].device, non_blocking=True)
    return Line(rows, counts, prefix_length, torch.cat(list(suffixes))[None], told[2:], told[0], told[1])


_RUNNING: ContextVar[Line | None] = ContextVar("running_line", default=None)


@contextmanager
def running(line: Line) -> Iterator[dict[str, Any]]:
    """In here a model is called with what is given, to run `line`."""
    token = _RUNNING.set(line)
    try:
        yield {
            "input_ids": line.input_ids,
            "position_ids": line.position_ids,
            # All ones: without it, models would look for rows in the positions, and know nothing of a prefix.
            "attention_mask": line.row.new_ones((1, line.prefix + len(line.row))),
            "row_lengths": line.lengths,
            "row_padding": line.padding() if line.prefix == 0 and _in_one_call(line.row.device) else None,
        }
    finally:
        _RUNNING.reset(token)


def _line_mask(*args: Any, mask_function: MaskFunction = causal_mask_function, **kwargs: Any) -> Any:
    """Transformers' boolean mask, and that of the line that is run; None where rows alone say it all."""
    line = _RUNNING.get()
    if line is None:
        return sdpa_mask(*args, mask_function=mask_function, **kwargs)
    # PyTorch's fastest kernels know "causal" but no mask, and a row behind nothing needs no more.
    if line.prefix == 0 and mask_function is causal_mask_function:
        return None
    # Without gradients only: what a model's start tries out are forward passes.
    flexible = _in_one_call(line.row.device) and not torch.is_grad_enabled()
    return line.block_mask(mask_function) if flexible else line.mask(mask_function)


def _in_one_call(device: torch.device) -> bool:
    """Whether all rows of a line share a call: on a CPU calls cost less than their padding."""
    # Under ZeRO-3 nothing can be tried out before the trainer has wrapped the model.
    return device.type == "cuda" and not is_deepspeed_zero3_enabled()


def _eager_line_mask(*args: Any, mask_function: MaskFunction = causal_mask_function, **kwargs: Any) -> Any:
    """Transformers' additive mask, and that of the line that is run."""
    line = _RUNNING.get()
    if line is None:
        return eager_mask(*args, mask_function=mask_function, **kwargs)
    dtype = kwargs.get("dtype", torch.float32)
    allowed = line.mask(mask_function)
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill_(
        ~allowed, torch.finfo(dtype).min
    )


def use_rows_attention(model: PreTrainedModel | PeftModel) -> bool:
    """Make a model able to run lines; False if it cannot be, or attends by neither PyTorch's nor plain means.

    PyTorch's attention drops the soft cap of attention scores (Gemma 2); such a model is set to `eager`.

    Args:
        model: Unwrapped; with or without a PEFT adapter.
    """
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    config = base.config.get_text_config()
    if config._attn_implementation == "sdpa" and getattr(config, "attn_logit_softcapping", None):
        base.set_attn_implementation("eager")
        logger.warning(
            "%s caps its attention scores softly, which the attention sdpa would leave out: eager is used",
            config.model_type,
        )
    if reason := _obstacle(config):
        _say(f"{config.model_type} is run in full, row by padded row: {reason}")
        return False
    if config._attn_implementation == "sdpa":
        AttentionInterface.register(ROWS_ATTENTION, rows_attention)
        AttentionMaskInterface.register(ROWS_ATTENTION, _line_mask)
        base.set_attn_implementation(ROWS_ATTENTION)
    elif config._attn_implementation == "eager":
        AttentionMaskInterface.register("eager", _eager_line_mask)
    return True


def _obstacle(config: PreTrainedConfig) -> str | None:
    """Why a model cannot run lines, so far as transformers tells; None: nothing speaks against it."""
    kinds = {type(layer) for layer in DynamicCache(config=config).layers}
    if not kinds <= {DynamicLayer, DynamicSlidingWindowLayer}:
        return "layers that carry a state from token to token cannot tell rows apart"
    attention = config._attn_implementation
    if attention not in (ROWS_ATTENTION, "sdpa", "eager"):
        return f"attn_implementation {attention!r} takes no mask of ours (sdpa and eager do)"
    return None


@functools.cache
def _say(message: str) -> None:
    """Once, though student and teacher are asked."""
    logger.warning(message)


def longest_window(config: PreTrainedConfig) -> int:
    """How far back the layers with sliding windows or chunks see; 0: there are none."""
    layers = DynamicCache(config=config).layers
    return max((int(getattr(layer, "sliding_window", None) or 0) for layer in layers), default=0)
