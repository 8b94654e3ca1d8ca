"""`icl-distill run`: the whole job out of one file."""

import argparse
import shlex
from pathlib import Path

from distill.pipeline.config import load_run_config, save_run_config
from distill.pipeline.runner import run_stages
from distill.pipeline.stages import build_stages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("config", type=Path, help="the run file, such as configs/demo.yaml")
    parser.add_argument("--output_dir", type=Path, help="instead of the run file's")
    parser.add_argument("--n_samples", type=int, help="evaluate no more rows than this")
    parser.add_argument("--max_steps", type=int, help="end training at this step and evaluate it alone")
    parser.add_argument("--force", nargs="+", default=[], metavar="STAGE", help="run again though up to date")
    parser.add_argument("--dry_run", action="store_true", help="print the commands only")


def run(args: argparse.Namespace) -> int:
    """Run the stages and say where the report is."""
    config = load_run_config(args.config, n_samples=args.n_samples, max_steps=args.max_steps)
    output_dir = args.output_dir or Path(config.output_dir)
    stages = build_stages(config, args.config.parent, output_dir, max_steps=args.max_steps)
    if args.dry_run:
        for stage in stages:
            print(f"# {stage.name}\n{shlex.join(stage.command)}")
        return 0
    save_run_config(config, output_dir)
    run_stages(stages, output_dir, force=args.force)
    print(f"\nThe report: {stages[-1].done_when}")
    return 0
