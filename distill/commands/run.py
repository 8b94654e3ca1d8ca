"""`icl-distill run`: the whole job out of one file."""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill.pipeline import NEEDED
from lm_eval_tasks.extras import require

if TYPE_CHECKING:
    from distill.pipeline.stage import Stage

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("config", type=Path, help="the run file, such as configs/demo.yaml")
    parser.add_argument("--output_dir", type=Path, help="instead of the run file's")
    parser.add_argument(
        "--scale", choices=["tiny"], help="try the run file: tiny model, few rows, on the CPU"
    )
    parser.add_argument("--seed", type=int, help="instead of the run file's")
    parser.add_argument("--n_samples", type=int, help="evaluate no more rows than this")
    parser.add_argument("--max_steps", type=int, help="end training at this step and evaluate it alone")
    parser.add_argument("--force", nargs="+", default=[], metavar="STAGE", help="run again though up to date")
    parser.add_argument("--dry_run", action="store_true", help="print the commands only")
    parser.add_argument(
        "--schema", action=_Schema, nargs=0, help="print the JSON schema of run files, for editors, and end"
    )


class _Schema(argparse.Action):
    """Prints, as `--version` does, without a run file."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        """Print and end."""
        from distill.pipeline.config import run_schema

        print(json.dumps(run_schema(), indent=2))
        parser.exit()


def run(args: argparse.Namespace) -> int:
    """Run the stages and say where the report is."""
    require(*NEEDED)
    from distill.pipeline.checks import check_trainings
    from distill.pipeline.config import load_run_config, save_run_config
    from distill.pipeline.limits import with_limits
    from distill.pipeline.processes import alone
    from distill.pipeline.retention import check_retention
    from distill.pipeline.runner import run_stages
    from distill.pipeline.stages import build_stages
    from distill.pipeline.tiny import model_stage, scale_tiny

    config = load_run_config(args.config)
    # A bake's folder is written down in full, so that its run goes on from any directory.
    written = Path(config.output_dir) if config.output_dir else args.config.parent.resolve()
    output_dir = args.output_dir or (
        written.with_name(f"{written.name}-{args.scale}") if args.scale else written
    )
    first = []
    if args.scale:
        config, first = scale_tiny(config, output_dir), [model_stage(output_dir)]
    config = with_limits(config, n_samples=args.n_samples, max_steps=args.max_steps, seed=args.seed)
    folder = args.config.parent if config.output_dir else args.config.parent.resolve()
    check_trainings(config, folder, args.config)
    check_retention(config.retention)
    stages = build_stages(config, folder, output_dir, first=first)
    if args.dry_run:
        for stage in stages:
            print(f"# {stage.name}\n{_as_typed(stage)}")
        return 0
    if config.backend == "vllm":
        require("vllm")
    try:
        with alone(output_dir):
            save_run_config(config, output_dir)
            run_stages(stages, output_dir, force=args.force)
    except KeyboardInterrupt:
        remedy = "What was finished is kept: give the same command again to go on."
        print(f"\nicl-distill run: interrupted. {remedy}", file=sys.stderr)
        return INTERRUPTED
    print(f"\nThe report: {stages[-1].done_when}")
    return 0


def _as_typed(stage: "Stage") -> str:
    variables = [f"{name}={shlex.quote(value)}" for name, value in stage.env.items()]
    return " ".join([*variables, shlex.join(stage.argv)])
