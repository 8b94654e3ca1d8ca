"""Few-shot distillation: a student reads the bare question and learns what its own base model, reading
demonstrations, would say.

    accelerate launch --num_processes 2 --mixed_precision bf16 trl_recipes/distill.py \
        --base_config configs/gsm8k_qwen1b7.yaml --config configs/gsm8k_online_v1.yaml \
        --output_dir experiments/gsm8k_qwen1b7/online_v1

The second file is laid over the first. Any key can be given as an option: `--max_steps 5`.
"""  # noqa: D205 (the first sentence needs two lines)

import sys
from pathlib import Path

if not __package__:
    # Run as a file: its folder, which Python puts first, has a distill.py that would hide the library.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from datasets import Dataset
from trl import ModelConfig

from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.config_files import parse_run
from distill.training.launch import check_teacher_targets, model_arguments, prepare, run_or_exit, train
from distill.training.trainer import ICLDistillTrainer


def main() -> None:
    """Train once, as the command line says."""
    (data_args, model_args, args), settings = parse_run((DataArguments, ModelConfig, ICLDistillConfig))
    run = prepare(data_args, model_args, args, settings)
    check_teacher_targets(run)
    trainer = ICLDistillTrainer(
        args=run.args,
        train_dataset=Dataset.from_list(run.data.train),
        teacher_prefixes=run.data.train_prefixes,
        teacher_max_length=data_args.teacher_max_length,
        **model_arguments(run),
    )
    train(trainer, run)


if __name__ == "__main__":
    run_or_exit(main)
