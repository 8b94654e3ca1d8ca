"""Trainers on CUDA at the shapes of Qwen3, and the loss alone by kernel: one JSON, one Markdown file.

    python benchmarks/gpu.py                     # Qwen3-1.7B, LoRA, 8 rows of 512, and the loss alone
    python benchmarks/gpu.py --scale full        # two sizes, LoRA and full, 1-32 rows: hours
    python benchmarks/gpu.py --scale tiny        # on the CPU, to see that it works: under a minute

Random weights, nothing is downloaded; bfloat16 autocast; rows of 512 tokens behind a shared prefix of 175
tokens a demonstration. See benchmarks/README.md for the columns.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from steps.flops import peak_tflops
from steps.jobs import UNIT, VARIANTS, Job
from steps.measure import run_jobs, run_losses
from steps.tables import add_mfu, losses_table, summarise, trainers_table

from lm_eval_tasks.files import write_json, write_text

SCALES: dict[str, dict[str, Any]] = {
    "tiny": {
        "models": ["tiny/lora"], "batch_sizes": [2], "steps": 1, "repeats": 1, "device": "cpu",
        "loss": {"sizes": [8, 64], "vocabulary": 512, "hidden": 32}, "new_tokens": 4,
    },
    "targets": {
        "models": ["qwen3-1.7b/lora"], "batch_sizes": [8], "steps": 8, "repeats": 1, "device": "cuda",
        "loss": {"sizes": [512, 4096, 8192], "vocabulary": 151_936, "hidden": 4096}, "new_tokens": 256,
    },
    "full": {
        "models": ["qwen3-1.7b/lora", "qwen3-1.7b/full", "qwen3-8b/lora"],
        "batch_sizes": [1, 2, 4, 8, 16, 32], "steps": 8, "repeats": 3, "device": "cuda",
        "loss": {"sizes": [512, 4096, 8192], "vocabulary": 151_936, "hidden": 4096}, "new_tokens": 256,
    },
}  # fmt: skip


def main() -> int:
    """Measure, write both files, print the tables."""
    args = _parse()
    scale = SCALES[args.scale]
    losses = [] if args.no_loss else run_losses(scale["device"], repeats=5, **scale["loss"])
    records = run_jobs(_jobs(args, scale), args.repeats or scale["repeats"])
    rows = summarise(records)
    card = next((row["device"] for row in rows if "device" in row), "unknown")
    peak = args.peak_tflops or peak_tflops(card)
    add_mfu(rows, peak)
    head = f"## {card}, scale {args.scale}"
    unknown = f"MFU is left out: the peak of {card!r} is unknown; give --peak_tflops."
    known = f"Peak for MFU: {peak:g} TFLOP/s." if peak else unknown
    parts = [head, known, trainers_table(rows)]
    if losses:
        parts += [_loss_title(scale["loss"]), losses_table(losses)]
    text = "\n\n".join(parts) + "\n"
    found = {"scale": args.scale, "device": card, "peak_tflops": peak, "rows": rows, "losses": losses}
    write_json(args.output, found | {"records": records})
    write_text(args.output.with_suffix(".md"), text)
    print(text, end="")
    return int(any("failed" in row for row in rows))


def _jobs(args: argparse.Namespace, scale: dict[str, Any]) -> list[Job]:
    names = [name for name in VARIANTS if name in {UNIT, *(args.variants or VARIANTS)}]
    return [
        Job(
            variant=name,
            model=model.partition("/")[0],
            tuning=model.partition("/")[2],
            batch_size=batch_size,
            steps=scale["steps"],
            device=scale["device"],
            threads=1 if args.scale == "tiny" else 8,
            new_tokens=scale["new_tokens"],
            profile=True,
            gradient_checkpointing=args.gradient_checkpointing,
        )
        for model in args.models or scale["models"]
        for batch_size in args.batch_sizes or scale["batch_sizes"]
        for name in names
    ]


def _loss_title(sizes: dict[str, Any]) -> str:
    return f"### The loss alone, forward and backward: V = {sizes['vocabulary']:,}, H = {sizes['hidden']:,}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", choices=list(SCALES), default="targets")
    known = list(dict.fromkeys(model for scale in SCALES.values() for model in scale["models"]))
    parser.add_argument("--models", nargs="+", choices=known, help="default: the scale's")
    parser.add_argument("--batch_sizes", nargs="+", type=int, help="default: the scale's")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), help="default: all")
    parser.add_argument("--repeats", type=int, help="default: the scale's")
    parser.add_argument("--gradient_checkpointing", action="store_true")
    parser.add_argument("--no_loss", action="store_true", help="leave out the loss alone")
    parser.add_argument("--peak_tflops", type=float, help="of the card in bfloat16; default: by its name")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="and the same name with .md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
