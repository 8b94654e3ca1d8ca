"""What sharded weights (FSDP2, DeepSpeed ZeRO-3) ask of code beside the trainer's own step.

Every process must run the model as often as the others, because each run gathers weights; and before the
trainer has wrapped the model, only the first process may hold real ones.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers.integrations import is_deepspeed_zero3_enabled

from lm_eval_tasks.errors import UserError


def is_sharded(model: nn.Module) -> bool:
    """Whether every forward pass of `model` gathers weights from all processes."""
    # accelerate shards the outermost module with the others; a walk to all of them takes milliseconds.
    return is_deepspeed_zero3_enabled() or isinstance(model, FSDPModule)


def from_main(value: Any) -> Any:
    """The first process's `value`, in all of them."""
    if not dist.is_initialized():
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def most_of(number: int, device: torch.device) -> int:
    """The largest `number` of any process."""
    if not dist.is_initialized():
        return number
    value = torch.tensor(number, device=device)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return int(value)


def broadcast_weights(model: nn.Module) -> None:
    """Give all processes the first one's weights: with FSDP's frugal loading the others have none yet."""
    if dist.is_initialized():
        for value in model.state_dict().values():
            dist.broadcast(value, src=0)


def check_supported(teacher: str, cached: bool, head: nn.Module, fsdp: bool) -> None:
    """Refuse what would train on wrong numbers, or not at all.

    Args:
        teacher: Which model teaches.
        cached: Whether its targets are read from files instead.
        head: The student's vocabulary projection.
        fsdp: Whether FSDP is on.

    Raises:
        UserError: the combination is not supported.
    """
    zero3 = is_deepspeed_zero3_enabled()
    if (fsdp or zero3) and teacher == "ema" and not cached:
        raise UserError(
            f"teacher: 'ema' averages whole weights, which {'ZeRO-3' if zero3 else 'FSDP'} has in shards. "
            "Use data parallel (configs/accelerate/ddp.yaml), or another teacher."
        )
    if zero3 and any(parameter.requires_grad for parameter in head.parameters()):
        raise UserError(
            "accelerate: under DeepSpeed ZeRO-3 the vocabulary projection cannot be trained (its gradient "
            "would be taken outside of a forward pass). Use LoRA (use_peft: true, without lm_head in "
            "lora_modules_to_save), or FSDP2 (configs/accelerate/fsdp2.yaml)."
        )
    if zero3 and teacher == "model" and not cached:
        raise UserError(
            "teacher: 'model' is a second model, which DeepSpeed ZeRO-3 would shard and never gather. Use "
            "FSDP2 (configs/accelerate/fsdp2.yaml), or ask it once: icl-distill cache-teacher."
        )


def check_trained_dtypes(model: nn.Module, *, deepspeed: bool) -> None:
    """Refuse to train weights that are kept in half precision: most steps are smaller than their rounding.

    Args:
        model: The student.
        deepspeed: Whether DeepSpeed is on, whose optimizer keeps float32 copies of its own.

    Raises:
        UserError: a trained parameter has fewer bits than float32.
    """
    if deepspeed:
        return
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16):
            kind = str(parameter.dtype).removeprefix("torch.")
            raise UserError(
                f"dtype: {kind}, and {name} is trained in it. Steps smaller than its rounding are lost: "
                "after 50, 60% of the weights had not moved. Set dtype: float32 (with bf16: true the forward "
                "pass is bfloat16 still), or train an adapter (use_peft: true), which is kept in float32."
            )
