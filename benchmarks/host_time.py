"""What a micro-batch costs the host beside the model's forward passes and the loss: 28 narrow layers, CPU.

    python benchmarks/host_time.py          # LoRA r4 on all linear layers, 4 and 16 rows, 8 demonstrations

Of `compute_loss` (no backward pass): milliseconds, those within the base model's forward passes and within
the loss, and what is left; medians over the repeats. On a GPU the host's time is what its kernels wait for.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from steps.workload import synthetic_rows, word_tokenizer
from transformers import AutoModelForCausalLM, Qwen3Config

from distill import ICLDistillConfig, ICLDistillTrainer
from distill.training import trainer as trainer_module


def main() -> None:
    """Print one line per batch size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch_sizes", nargs="+", type=int, default=[4, 16])
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| rows | compute_loss, ms | in the model | in the loss | beside them |\n|---|---|---|---|---|")
    for rows in args.batch_sizes:
        found = measure(rows, args.layers, args.repeats)
        print(f"| {rows} | " + " | ".join(f"{1000 * value:.1f}" for value in found) + " |")


def measure(rows: int, layers: int, repeats: int) -> list[float]:
    """Median seconds of one micro-batch: altogether, in the model, in the loss, and what is left."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(folder, rows, layers)
        batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
        trainer.model.train()
        spent: Counter[str] = Counter()
        base = trainer.model.get_base_model()
        base.forward = _timed(base.forward, "model", spent)
        loss = trainer_module.objective_sums
        trainer_module.objective_sums = _timed(loss, "loss", spent)
        times = []
        try:
            for _ in range(repeats + 2):  # the first computes the prefix' keys and values
                spent.clear()
                begun = time.perf_counter()
                trainer.compute_loss(trainer.model, batch)
                whole = time.perf_counter() - begun
                times.append((whole, spent["model"], spent["loss"], whole - spent["model"] - spent["loss"]))
        finally:
            trainer_module.objective_sums = loss
    return [statistics.median(column) for column in zip(*times[2:], strict=True)]


def _timed(work: Callable[..., Any], name: str, spent: Counter[str]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            spent[name] += time.perf_counter() - begun

    return timed


def _trainer(folder: str, rows: int, layers: int) -> ICLDistillTrainer:
    config = Qwen3Config(
        vocab_size=600, hidden_size=32, intermediate_size=64, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, tie_word_embeddings=True, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    args = ICLDistillConfig(
        folder, use_cpu=True, bf16=False, gradient_checkpointing=False, per_device_train_batch_size=rows,
        report_to="none", save_strategy="no", max_steps=1,
    )  # fmt: skip
    return ICLDistillTrainer(
        AutoModelForCausalLM.from_config(config, dtype=torch.float32),
        args,
        processing_class=word_tokenizer(600),
        train_dataset=Dataset.from_list([dict(row) for row in synthetic_rows("tiny", rows, 8)]),
        peft_config=LoraConfig(r=4, target_modules="all-linear"),
    )


if __name__ == "__main__":
    main()
