"""FSDP2's gradients against one process's, on the same rows.

Each process takes half of the rows; its reference is the whole batch on an unsharded copy.
"""

import torch
import torch.distributed as dist
from peft import LoraConfig, get_peft_model
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import LlamaForCausalLM

from distill.encoding.collator import IGNORED, DistillCollator, predicting
from distill.model.output_head import check_head, head_of, hidden_states
from distill.objectives.chunked import Objective, fused_objective
from distill.teachers.models import self_teacher


def student(folder, lora):
    model = LlamaForCausalLM.from_pretrained(folder)
    if not lora:
        return model
    torch.manual_seed(0)
    config = LoraConfig(
        r=4, lora_dropout=0.0, target_modules=["q_proj", "down_proj"], init_lora_weights=False
    )
    return get_peft_model(model, config)


def gradients(model, head, teacher, rows, total, scale):
    batch = DistillCollator(pad_token_id=0)(rows)
    labels = batch["labels"]
    hidden = hidden_states(
        model, head, predicting(labels), input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    )
    sums = fused_objective(
        hidden,
        head_of(head),
        labels[labels != IGNORED],
        teacher.targets(batch),
        Objective(top_k=20),
        chunk_tokens=7,
    )
    (sums.loss * scale / total).backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: grad.full_tensor() if isinstance(grad, DTensor) else grad for name, grad in grads.items()}


def deviation(folder, rows, lora):
    """The largest difference of any gradient."""
    rank, world = dist.get_rank(), dist.get_world_size()
    prefix = rows[0]["teacher_prompt_ids"][:100]
    total = sum(len(row["completion_ids"]) for row in rows)
    plain = student(folder, lora)
    head = check_head(plain)
    expected = gradients(plain, head, self_teacher(plain, head, prefixes=[prefix]), rows, total, 1)

    sharded = student(folder, lora)
    head = check_head(sharded)
    teacher = self_teacher(sharded, head, prefixes=[prefix])
    base = sharded.get_base_model() if lora else sharded
    for layer in base.model.layers:
        fully_shard(layer, reshard_after_forward=True)
    fully_shard(sharded, reshard_after_forward=True)
    # FSDP averages over processes, as DDP does.
    found = gradients(sharded, head, teacher, rows[rank::world], total, world)
    assert set(found) == set(expected), set(expected) ^ set(found)
    return max((found[name] - expected[name]).abs().max().item() for name in expected)


def deviations(folder, rows, output_dir):
    """With and without LoRA, in a file of this process."""
    found = [deviation(folder, rows, lora) for lora in (True, False)]
    torch.save(found, f"{output_dir}/{dist.get_rank()}.pt")
