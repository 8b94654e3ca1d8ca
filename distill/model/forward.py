"""A causal language model run up to, not through, its vocabulary projection."""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled

from distill.encoding.collator import Batch, places, predicting
from distill.model.modes import evaluating
from distill.model.output_head import OutputHead, States, run_to_head
from distill.model.packed_attention import (
    LINE_TOKENS,
    ROWS_ATTENTION,
    Line,
    lay_out,
    running,
    use_rows_attention,
)
from distill.model.probe import alike, probe_batch, probe_lengths, works
from distill.model.sharding import from_main


def answer_states(
    model: nn.Module, head: OutputHead, batch: Batch, *, packed: bool = False, **inputs: Any
) -> States:
    """Last hidden states `[N, H]` that predict the batch's N answer tokens, row by row, in one forward pass.

    Args:
        model: As in `run_to_head`.
        head: As in `run_to_head`.
        batch: With `input_ids`, `attention_mask` and `labels` `[B, S]`.
        packed: Whether rows may be laid end to end; see `packs_rows`. Otherwise they stay padded.
        inputs: More of the model's.
    """
    return _states(model, head, batch, predicting(batch["labels"]), packed, inputs)


def line_states(
    model: nn.Module, head: OutputHead, line: Line, wanted: torch.Tensor, **inputs: Any
) -> States:
    """Last hidden states `[N, H]` of a line at the places `wanted` `[N]`."""
    with running(line) as own:
        return run_to_head(model, head, wanted, **own, **inputs)


def packs_rows(model: PreTrainedModel, head: OutputHead, *, longest: int | None = None) -> bool:
    """Whether the rows of `model` can be laid end to end, which is tried out.

    Args:
        model: Unwrapped.
        head: Its vocabulary projection.
        longest: Tokens of the longest row that is to come, if it is known.
    """
    # Without `rows_attention` a line would cost more than its padding; under ZeRO-3 nothing can be tried yet.
    if is_deepspeed_zero3_enabled() or not use_rows_attention(model):
        return False
    if model.config.get_text_config()._attn_implementation != ROWS_ATTENTION:
        return False

    def same() -> bool:
        length, _ = probe_lengths(model, longest)
        batch = probe_batch(model, [min(length, LINE_TOKENS - 16), 3, 8])
        real = batch["attention_mask"].bool()
        with evaluating(model):
            padded = _states(model, head, batch, real, False, {})
            line = _states(model, head, batch, real, True, {})
        return alike(line.hidden, padded.hidden, batch["attention_mask"].sum(-1).tolist())

    return bool(from_main(works("rows laid end to end", model, same)))


def _states(
    model: nn.Module,
    head: OutputHead,
    batch: Batch,
    wanted: torch.Tensor,
    packed: bool,
    inputs: dict[str, Any],
) -> States:
    ids, mask = batch["input_ids"], batch["attention_mask"]
    # All that the host must know of the batch, in one read.
    lengths, numbers = torch.stack([mask.sum(-1), wanted.sum(-1)]).tolist()
    tokens, number = sum(lengths), sum(numbers)
    # A batch without padding has nothing to gain, and too long a line would need too large a mask.
    if not packed or tokens == mask.numel() or tokens > LINE_TOKENS:
        chosen = places(wanted, number)
        return run_to_head(model, head, chosen, input_ids=ids, attention_mask=mask, use_cache=False, **inputs)
    real = places(mask, tokens)
    (line,) = lay_out(ids.flatten()[real].split(lengths), [0] * len(lengths), 0)
    chosen = places(wanted.flatten()[real], number)
    return line_states(model, head, line, chosen, use_cache=False, **inputs)
