"""Losses and gradient norms of three steps, LoRA or full: alone, or in two processes with FSDP2."""

import json
import os
from pathlib import Path

import accelerate.state
from accelerate.utils import DistributedType
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer

from distill.training.config import ICLDistillConfig
from distill.training.trainer import ICLDistillTrainer
from lm_eval_tasks.errors import UserError


def fsdp_without_gpu():
    """accelerate offers FSDP on accelerators only, torch on CPUs too; its path is what is to be tested."""
    begin = accelerate.state.AcceleratorState.__init__

    def with_fsdp(self, *args, fsdp_plugin=None, **kwargs):
        begin(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin

    accelerate.state.AcceleratorState.__init__ = with_fsdp


def three_steps(folder, rows, output_dir, *, lora, teacher="self"):
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    args = ICLDistillConfig(
        output_dir=output_dir, use_cpu=True, bf16=False, gradient_checkpointing=False, max_steps=3, top_k=20,
        per_device_train_batch_size=4 // processes, train_sampling_strategy="sequential", logging_steps=1,
        save_strategy="no", report_to="none", disable_tqdm=True, learning_rate=1e-2, warmup_steps=0,
        teacher=teacher,
    )  # fmt: skip
    trainer = ICLDistillTrainer(
        folder,
        args,
        processing_class=AutoTokenizer.from_pretrained(folder),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(r=4, lora_dropout=0.0, target_modules=["q_proj"]) if lora else None,
    )
    trainer.train()
    wrapped = type(trainer.model_wrapped).__name__
    return wrapped, [
        [log[name] for name in ("loss", "grad_norm", "divergence")] for log in trainer.state.log_history[:3]
    ]


def both(folder, rows, output_dir):
    """With and without LoRA."""
    return {name: three_steps(folder, rows, output_dir, lora=name == "lora") for name in ("lora", "full")}


def sharded(folder, rows, output_dir):
    """Of two processes: a file each, as what they print may stand on one line."""
    fsdp_without_gpu()
    found = both(folder, rows, output_dir)
    try:
        three_steps(folder, rows, output_dir, lora=True, teacher="ema")
    except UserError as error:
        found["refused"] = str(error)
    (Path(output_dir) / f"{os.environ['RANK']}.json").write_text(json.dumps(found), encoding="utf-8")
