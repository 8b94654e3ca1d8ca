"""A causal language model run up to, not through, its vocabulary projection."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor, Partial
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled

from distill.collator import IGNORED, Batch, predicting
from distill.fused import Head
from distill.lines import LINE_TOKENS, lay_out, line_inputs, use_rows_attention
from distill.sharding import from_main
from lm_eval_tasks.errors import UserError

_ALTERS_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")


def hidden_states(model: nn.Module, head: nn.Module, mask: torch.Tensor, **inputs: Any) -> torch.Tensor:
    """Last hidden states `[N, H]` at the N positions that `mask` `[B, S]` selects, row by row.

    Args:
        model: The model as it is called in training, wrapped or not.
        head: Its vocabulary projection (`get_output_embeddings()` of the unwrapped model).
        mask: See `distill.collator.predicting`.
        inputs: Passed to the model.
    """
    with _bypassed(head, mask):
        return model(**inputs).logits


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
    with _evaluating(model):
        padded = answer_states(model, head, batch).float()
        try:
            laid_out = answer_states(model, head, batch, model.config).float()
            alike = bool((laid_out - padded).norm() < 0.05 * padded.norm())
        except UserError:
            alike = False
    return model.config if from_main(alike) else None


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


@contextmanager
def _bypassed(head: nn.Module, mask: torch.Tensor) -> Iterator[None]:
    """The head passes on its input at `mask`; the model returns that in the place of logits.

    Hooks work alike under DDP, FSDP2, ZeRO-3 and PEFT: the wrapped model is called as always, and what the
    loss is made of is an output of its forward pass, which FSDP2 needs in order to bring back its shards.
    """
    selected: list[torch.Tensor] = []

    def shorten(module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        selected.append(args[0][mask])
        return (args[0][:1, :1].detach(),)

    def replace(module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        return selected.pop()

    handles = [head.register_forward_pre_hook(shorten), head.register_forward_hook(replace)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def head_of(module: Any) -> Head:
    """The parameters of a vocabulary projection, gathered where FSDP2 has sharded them."""
    return Head(_whole(module.weight), _whole(getattr(module, "bias", None)))


def _whole(parameter: Any) -> Any:
    if not isinstance(parameter, DTensor):
        return parameter
    # Each process has the gradient of its own rows; FSDP2 averages them, so this one must be averaged too.
    average = [Partial("avg")] * parameter.device_mesh.ndim
    return parameter.full_tensor(grad_placements=average)


def check_head(model: PreTrainedModel) -> nn.Module:
    """The vocabulary projection of `model`, after checking that it alone turns hidden states into logits.

    Raises:
        UserError: the model scales or caps its logits afterwards.
    """
    head = model.get_output_embeddings()
    if not _alone_makes_logits(model, head):
        raise UserError(
            f"model {model.config.name_or_path!r} ({model.config.model_type}) alters its logits after the "
            "vocabulary projection (soft-capping or scaling), which distillation does not support. Use a "
            "model without, such as Llama, Qwen, SmolLM or Gemma 3."
        )
    return head


def _alone_makes_logits(model: PreTrainedModel, head: nn.Module) -> bool:
    if is_deepspeed_zero3_enabled():  # until the trainer wraps the model, no forward pass is possible
        config = model.config.get_text_config()
        return all(getattr(config, name, None) in (None, 1.0) for name in _ALTERS_LOGITS)
    ids = torch.arange(2, device=model.device)[None]
    with _evaluating(model):
        hidden = hidden_states(model, head, torch.ones_like(ids, dtype=torch.bool), input_ids=ids)
        expected = model(input_ids=ids).logits[0].float()
    return bool(from_main(torch.allclose(head_of(head).logits(hidden), expected, rtol=1e-2, atol=1e-2)))
