"""A tiny trainer on real rows."""

import pytest
from datasets import Dataset
from peft import LoraConfig

from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.data import load_training_data
from distill.training.trainer import ICLDistillTrainer


@pytest.fixture(scope="module")
def data(make_tokenizer):
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=2, eval_rows=0, max_train_rows=8)
    return load_training_data(args, make_tokenizer("chatml"), max_length=None, seed=0)


@pytest.fixture
def make_trainer(make_model, make_tokenizer, data, tmp_path):
    def make(lora=True, rows=None, model=None, **settings):
        defaults = {
            "output_dir": str(tmp_path), "use_cpu": True, "bf16": False, "gradient_checkpointing": False,
            "per_device_train_batch_size": 8, "max_steps": 1, "logging_steps": 1, "save_strategy": "no",
            "report_to": "none", "disable_tqdm": True, "learning_rate": 1e-2, "top_k": 20, "warmup_steps": 0,
            "lr_scheduler_type": "constant",
        }  # fmt: skip
        peft = LoraConfig(r=4, lora_dropout=0.0, target_modules=["q_proj", "v_proj", "down_proj"])
        return ICLDistillTrainer(
            model or make_model(),
            ICLDistillConfig(**defaults | settings),
            processing_class=make_tokenizer("chatml"),
            train_dataset=Dataset.from_list(rows or data.train),
            peft_config=peft if lora else None,
        )

    return make
