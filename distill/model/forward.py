"""A causal language model run up to, not through, its vocabulary projection."""

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled

from distill.encoding.collator import IGNORED, Batch, predicting
from distill.model.output_head import evaluating, hidden_states
from distill.model.packed_attention import LINE_TOKENS, lay_out, line_inputs, use_rows_attention
from distill.model.sharding import from_main
from lm_eval_tasks.errors import UserError


def answer_states(
    model: nn.Module, head: nn.Module, batch: Batch, line_config: PreTrainedConfig | None = None
) -> torch.Tensor:
    """Last hidden states `[N, H]` that predict the batch's N answer tokens, row by row, in one forward pass.

    Args:
        model: As in `hidden_states`.
        head: As in `hidden_states`.
        batch: With `input_ids`, `attention_mask` and `labels` `[B, S]`.
        line_config: The model's configuration, if its rows can be laid end to end; None: they stay padded.
    """
    ids, mask, wanted = batch["input_ids"], batch["attention_mask"], predicting(batch["labels"])
    tokens = int(mask.sum())
    # A batch without padding has nothing to gain, and too long a line would need too large a mask.
    if line_config is None or tokens == mask.numel() or tokens > LINE_TOKENS:
        return hidden_states(model, head, wanted, input_ids=ids, attention_mask=mask, use_cache=False)
    real = mask.bool()
    suffixes = [row[kept] for row, kept in zip(ids, real, strict=True)]
    (line,) = lay_out(suffixes, [0] * len(suffixes), 0)
    return hidden_states(model, head, wanted[real][None], use_cache=False, **line_inputs(line, line_config))


def line_config(model: PreTrainedModel, head: nn.Module) -> PreTrainedConfig | None:
    """The configuration of `model` if its rows can be laid end to end, which is tried out; else None.

    Layers that carry a state from token to token (Mamba, linear attention) cannot tell rows apart.

    Args:
        model: Unwrapped.
        head: Its vocabulary projection.
    """
    if is_deepspeed_zero3_enabled() or not use_rows_attention(model):
        return None  # under ZeRO-3 nothing can be tried out yet
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]], device=model.device)
    batch = {
        "input_ids": torch.arange(6, device=mask.device).view(2, 3),
        "attention_mask": mask,
        "labels": torch.where(mask == 1, 0, IGNORED),
    }
    with evaluating(model):
        padded = answer_states(model, head, batch).float()
        try:
            laid_out = answer_states(model, head, batch, model.config).float()
            alike = bool((laid_out - padded).norm() < 0.05 * padded.norm())
        except UserError:
            alike = False
    return model.config if from_main(alike) else None
