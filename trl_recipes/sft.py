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

from distill.training.launch import run_or_exit
from distill.training.recipes import train_sft

if __name__ == "__main__":
    run_or_exit(train_sft)
