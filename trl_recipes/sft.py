"""Supervised fine-tuning on gold answers: TRL's SFTTrainer on the rows that distillation trains on.

    accelerate launch --num_processes 2 --mixed_precision bf16 trl_recipes/sft.py \
        --config configs/gsm8k_qwen1b7.yaml --output_dir experiments/gsm8k_qwen1b7/baseline

Any key of the configuration can be given as an option: `--max_steps 5`.
"""

import sys
from pathlib import Path

if not __package__:
    # Run as a file: its folder, which Python puts first, has a distill.py that would hide the library.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from datasets import Dataset
from trl import ModelConfig, SFTConfig, SFTTrainer

from distill.encoding.collator import IGNORED
from distill.encoding.token_rows import Row
from distill.training.config import DataArguments
from distill.training.config_files import parse_run
from distill.training.launch import model_arguments, prepare, run_or_exit, train


def main() -> None:
    """Train once, as the command line says."""
    (data_args, model_args, args), settings = parse_run((DataArguments, ModelConfig, SFTConfig))
    run = prepare(data_args, model_args, args, settings)
    run.args.dataset_kwargs = {"skip_prepare_dataset": True}
    dataset = Dataset.from_list([_labelled(row) for row in run.data.train])
    train(SFTTrainer(args=run.args, train_dataset=dataset, **model_arguments(run)), run)


def _labelled(row: Row) -> dict[str, object]:
    """A row as SFTTrainer's own collator takes it."""
    prompt, answer = row["prompt_ids"], row["completion_ids"]
    labels = [IGNORED] * len(prompt) + answer
    return {"input_ids": prompt + answer, "labels": labels, "length": row["length"]}


if __name__ == "__main__":
    run_or_exit(main)
