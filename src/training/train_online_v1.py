"""Distillation, by the name that the recipe's documents give it: `trl_recipes/distill.py`.

    accelerate launch --num_processes 2 --mixed_precision bf16 --main_process_port 29501 \
        src/training/train_online_v1.py --base_config configs/ifeval_qwen1b7.yaml \
        --config configs/ifeval_online_v1.yaml --output_dir experiments/ifeval_qwen1b7/online_v1

What the documents' words mean here: docs/reproduce.md.
"""

import sys
from pathlib import Path

if not __package__:
    # Run as a file: the checkout comes before whatever version is installed.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from distill.training.launch import run_or_exit
from distill.training.recipes import train_distill

if __name__ == "__main__":
    run_or_exit(train_distill)
