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

from distill.training.launch import run_or_exit
from distill.training.recipes import train_distill

if __name__ == "__main__":
    run_or_exit(train_distill)
