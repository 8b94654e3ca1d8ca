"""The SFT baseline, by the name that the recipe's documents give it: `trl_recipes/sft.py`.

    accelerate launch --num_processes 2 --mixed_precision bf16 --main_process_port 29500 \
        src/training/train_baseline.py --config configs/ifeval_qwen1b7.yaml \
        --output_dir experiments/ifeval_qwen1b7/baseline

What the documents' words mean here: docs/reproduce.md.
"""

import sys
from pathlib import Path

if not __package__:
    # Run as a file: the checkout comes before whatever version is installed.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from distill.training.launch import run_or_exit
from distill.training.recipes import train_sft

if __name__ == "__main__":
    run_or_exit(train_sft)
