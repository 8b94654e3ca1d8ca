"""Loss and gradients of one step of the trainer: in one process, or in two."""

import torch
import torch.distributed as dist
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer, LlamaForCausalLM, TrainerCallback

from distill.training.config import ICLDistillConfig
from distill.training.trainer import ICLDistillTrainer

ROWS = 8


class Gradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        # DDP names every parameter "module. ..."
        self.grads = {
            name.removeprefix("module."): p.grad.clone()
            for name, p in model.named_parameters()
            if p.grad is not None
        }


def one_step(folder, rows, output_dir, *, per_device, accumulation, lora):
    """Logged metrics and gradients, over `ROWS` rows however they are shared out."""
    torch.manual_seed(0)
    peft = LoraConfig(
        r=4, lora_dropout=0.0, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False
    )
    args = ICLDistillConfig(
        output_dir=output_dir, use_cpu=True, bf16=False, gradient_checkpointing=False, max_steps=1,
        per_device_train_batch_size=per_device, gradient_accumulation_steps=accumulation, logging_steps=1,
        save_strategy="no", report_to="none", disable_tqdm=True, top_k=20, max_grad_norm=0.0,
    )  # fmt: skip
    trainer = ICLDistillTrainer(
        LlamaForCausalLM.from_pretrained(folder),
        args,
        processing_class=AutoTokenizer.from_pretrained(folder),
        train_dataset=Dataset.from_list(rows),
        peft_config=peft if lora else None,
    )
    gradients = Gradients()
    trainer.add_callback(gradients)
    trainer.train()
    return trainer.state.log_history[0], gradients.grads


def steps(folder, rows, output_dir):
    """Of two processes: what the first one found."""
    for lora in (True, False):
        found = one_step(folder, rows, output_dir, per_device=2, accumulation=2, lora=lora)
        if dist.get_rank() == 0:
            torch.save(found, f"{output_dir}/lora-{lora}.pt")
