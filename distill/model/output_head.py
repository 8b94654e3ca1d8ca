"""The vocabulary projection: run up to it, its parameters, and what a model does to its logits afterwards.

Some models scale their logits (Cohere, Granite, Falcon-H1) or cap them softly (Gemma 2).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.distributed.tensor import DTensor, Partial
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled
from trl.trainer.utils import maybe_gather_lm_head_ctx

from distill.model.modes import evaluating
from distill.model.sharding import from_main
from lm_eval_tasks.errors import UserError


class Head(NamedTuple):
    """A vocabulary projection: weight `[V, H]` and bias `[V]`, if it has one, and what follows it.

    Attributes:
        weight: `[V, H]`.
        bias: `[V]`, if it has one.
        scale: Logits are multiplied by it.
        softcap: Then capped: `softcap * tanh(logits / softcap)`; None: they are not.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits `[n, V]` of hidden states `[n, H]`, in float32 unless the weights are float64."""
        logits = functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias)
        return self._finished(logits if logits.dtype == torch.float64 else logits.float())

    def detach(self) -> "Head":
        """Without gradients."""
        bias = None if self.bias is None else self.bias.detach()
        return self._replace(weight=self.weight.detach(), bias=bias)

    def _finished(self, projected: torch.Tensor) -> torch.Tensor:
        if self.scale != 1:
            projected = projected * self.scale
        return projected if self.softcap is None else torch.tanh(projected / self.softcap) * self.softcap

    def before_finish(self, grad: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """The gradient `[n, V]` with respect to the projection's output, given that of `logits`; in place."""
        if self.softcap is not None:
            grad.mul_(1 - (logits / self.softcap).square())
        return grad if self.scale == 1 else grad.mul_(self.scale)


@dataclass(frozen=True, slots=True)
class OutputHead:
    """A model's vocabulary projection as a module, and what the model does to its logits; see `Head`.

    Attributes:
        module: The projection.
        scale: As in `Head`.
        softcap: As in `Head`.
        entries: How many of its first vocabulary entries are used; None: all.
    """

    module: nn.Module
    scale: float = 1.0
    softcap: float | None = None
    entries: int | None = None

    @classmethod
    def of(cls, model: PreTrainedModel, entries: int | None = None) -> "OutputHead":
        """As the model's configuration says."""
        return cls(model.get_output_embeddings(), *_finish(model.config), entries)


def _finish(config: PreTrainedConfig) -> tuple[float, float | None]:
    """Scale and soft cap of a model's logits, under the names that transformers' models give them."""
    config = config.get_text_config()
    softcap = getattr(config, "final_logit_softcapping", None)
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if (scale := getattr(config, name, None)) is not None:
            return scale, softcap
    scaling = getattr(config, "logits_scaling", None)
    if scaling is None:
        return 1.0, softcap
    # Granite divides by what HyperCLOVA X multiplies with.
    return scaling if config.model_type == "hyperclovax" else 1 / scaling, softcap


def gathered(*heads: Head) -> AbstractContextManager[Any]:
    """Heads are whole in here: under ZeRO-3 one outside its module's forward pass is an empty shard."""
    return maybe_gather_lm_head_ctx(*(parameter for head in heads for parameter in (head.weight, head.bias)))


class States(NamedTuple):
    """What a forward pass up to the vocabulary projection gives.

    Attributes:
        hidden: Last hidden states `[N, H]`.
        aux_loss: Of a mixture of experts that was asked for it, the load-balancing loss; else None.
    """

    hidden: torch.Tensor
    aux_loss: torch.Tensor | None = None


def run_to_head(model: nn.Module, head: OutputHead, wanted: torch.Tensor, **inputs: Any) -> States:
    """Run a model up to its vocabulary projection.

    Args:
        model: The model as it is called in training, wrapped or not.
        head: Its vocabulary projection.
        wanted: N positions, row by row: a mask `[B, S]` (see `distill.encoding.collator.predicting`), or the
            `places` `[N]` where it is true.
        inputs: Passed to the model.
    """
    with _bypassed(model, head.module, wanted):
        output = model(**inputs)
    return States(output.logits, getattr(output, "aux_loss", None))


def hidden_states(model: nn.Module, head: OutputHead, wanted: torch.Tensor, **inputs: Any) -> torch.Tensor:
    """The hidden states of `run_to_head`."""
    return run_to_head(model, head, wanted, **inputs).hidden


def without_aux_loss(model: Any) -> dict[str, bool]:
    """What a model is called with so that a mixture of experts computes no load-balancing loss."""
    asked = getattr(model.config.get_text_config(), "output_router_logits", None)
    return {} if asked is None else {"output_router_logits": False}


@contextmanager
def _bypassed(model: nn.Module, head: nn.Module, wanted: torch.Tensor) -> Iterator[None]:
    """The head projects one token only; the model returns the head's `wanted` input in the place of logits.

    Hooks work alike under DDP, FSDP2, ZeRO-3 and PEFT: the wrapped model is called as always, and what the
    loss is made of is an output of its forward pass, which FSDP2 needs in order to bring back its shards, and
    DDP in order to find parameters without a gradient.
    """
    selected: list[torch.Tensor] = []

    def shorten(module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        states = args[0]
        mask = wanted.dtype == torch.bool
        selected.append(states[wanted] if mask else states.flatten(0, 1).index_select(0, wanted))
        return (args[0][:1, :1].detach(),)

    def replace(module: nn.Module, args: Any, output: Any) -> Any:
        output["logits"] = selected.pop()
        return output

    handles = [
        head.register_forward_pre_hook(shorten),
        # Before FSDP2's own hook, which looks at the output.
        _inside(model).register_forward_hook(replace, prepend=True),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _inside(model: nn.Module) -> nn.Module:
    """The model in the wrappers (DDP, DeepSpeed, FSDP 1) that call it as their `module`."""
    while isinstance(inner := getattr(model, "module", None), nn.Module):
        model = inner
    return model


def head_of(head: OutputHead) -> Head:
    """The parameters of a vocabulary projection, gathered where FSDP2 has sharded them."""
    weight, bias = _whole(head.module.weight), _whole(getattr(head.module, "bias", None))
    if head.entries is not None and head.entries < len(weight):
        weight, bias = weight[: head.entries], None if bias is None else bias[: head.entries]
    return Head(weight, bias, head.scale, head.softcap)


def _whole(parameter: Any) -> Any:
    if not isinstance(parameter, DTensor):
        return parameter
    # Each process has the gradient of its own rows; FSDP2 averages them, so this one must be averaged too.
    average = [Partial("avg")] * parameter.device_mesh.ndim
    return parameter.full_tensor(grad_placements=average)


def check_head(model: PreTrainedModel, *, entries: int | None = None) -> OutputHead:
    """The vocabulary projection of `model`, after checking what becomes of its output.

    Args:
        model: Unwrapped.
        entries: Of a teacher, the student's: a vocabulary that is padded further is cut to it.

    Raises:
        UserError: the model alters its logits otherwise than by the scale and soft cap of its configuration.
    """
    head = OutputHead.of(model, entries)
    # Until the trainer wraps the model, no forward pass is possible under ZeRO-3.
    if not is_deepspeed_zero3_enabled() and not from_main(_makes_logits(model, head)):
        raise UserError(
            f"model {model.config.name_or_path!r} ({model.config.model_type}) alters its logits after the "
            "vocabulary projection in a way that its configuration does not tell (logit_scale, "
            "logits_scaling, lm_head_multiplier, final_logit_softcapping), so distillation would train on "
            "other logits than the model's. Use a model without, such as Llama, Qwen, SmolLM or Gemma 3."
        )
    return head


def _makes_logits(model: PreTrainedModel, head: OutputHead) -> bool:
    """Whether the model does to a projection's output what `head` says; large logits show soft caps."""
    ids = torch.zeros((1, 1), dtype=torch.long, device=model.device)

    def replace(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        large = torch.linspace(-100, 100, output.shape[-1], device=output.device, dtype=output.dtype)
        return large.expand_as(output)

    handle = head.module.register_forward_hook(replace)
    try:
        with evaluating(model):
            found = model(input_ids=ids, use_cache=False).logits[0, -1].float()
    finally:
        handle.remove()
    projected = torch.linspace(-100, 100, len(found), device=found.device)
    expected = Head(projected, None, head.scale, head.softcap)._finished(projected)
    return bool((found - expected).norm() < 0.02 * expected.norm())
