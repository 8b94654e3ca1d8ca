"""Checkpoints on IFEval, by the name that the recipe's documents give it: `icl-distill eval --task ifeval`.

    python scripts/eval_ifeval_checkpoints.py --config configs/ifeval_qwen1b7.yaml \
        --conditions baseline online_v1 --base_dir experiments/ifeval_qwen1b7 --n_samples 541 \
        --checkpoint_steps 200 400 600 800 1000 --output experiments/ifeval_qwen1b7/results.json \
        --tensor_parallel_size 4 --max_new_tokens 512

What the documents' words mean here: docs/reproduce.md.
"""

import sys
from pathlib import Path

if not __package__:
    # Run as a file: the checkout comes before whatever version is installed.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from distill.cli import main

if __name__ == "__main__":
    sys.exit(main(["eval", "--task", "ifeval", *sys.argv[1:]]))
