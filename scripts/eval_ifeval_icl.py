"""The ICL gap on IFEval, by the name that the recipe's documents give it: `icl-distill gap --task ifeval`.

    python scripts/eval_ifeval_icl.py --model Qwen/Qwen3-1.7B --num_fewshot 0 4 --n_samples 541 \
        --output experiments/ifeval_qwen1b7/icl_eval.json --tensor_parallel_size 4 --max_new_tokens 512

What the documents' words mean here: docs/reproduce.md.
"""

import sys
from pathlib import Path

if not __package__:
    # Run as a file: the checkout comes before whatever version is installed.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from distill.cli import main

if __name__ == "__main__":
    sys.exit(main(["gap", "--task", "ifeval", *sys.argv[1:]]))
