"""The vocabulary projection: run up to it, its parameters, and the check that it alone makes the logits."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.distributed.tensor import DTensor, Partial
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled
from trl.trainer.utils import maybe_gather_lm_head_ctx

from distill.model.sharding import from_main
from lm_eval_tasks.errors import UserError

_ALTERS_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")


class Head(NamedTuple):
    """A vocabulary projection: weight `[V, H]` and bias `[V]`, if it has one."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits `[n, V]` of hidden states `[n, H]`, in float32 unless the weights are float64."""
        logits = functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias)
        return logits if logits.dtype == torch.float64 else logits.float()


def gathered(*heads: Head) -> AbstractContextManager[Any]:
    """Heads are whole in here: under ZeRO-3 one outside its module's forward pass is an empty shard."""
    return maybe_gather_lm_head_ctx(*(parameter for head in heads for parameter in head))


def hidden_states(model: nn.Module, head: nn.Module, mask: torch.Tensor, **inputs: Any) -> torch.Tensor:
    """Last hidden states `[N, H]` at the N positions that `mask` `[B, S]` selects, row by row.

    Args:
        model: The model as it is called in training, wrapped or not.
        head: Its vocabulary projection (`get_output_embeddings()` of the unwrapped model).
        mask: See `distill.encoding.collator.predicting`.
        inputs: Passed to the model.
    """
    with _bypassed(head, mask):
        return model(**inputs).logits


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients in here; afterwards the model is as it was."""
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
    with evaluating(model):
        hidden = hidden_states(model, head, torch.ones_like(ids, dtype=torch.bool), input_ids=ids)
        expected = model(input_ids=ids).logits[0].float()
    return bool(from_main(torch.allclose(head_of(head).logits(hidden), expected, rtol=1e-2, atol=1e-2)))
