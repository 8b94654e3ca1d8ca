"""`icl-distill eval`: every checkpoint of several conditions, 0-shot, in one engine."""

import argparse
import sys
from pathlib import Path
from typing import Any

from distill.evaluation.settings import add_settings_arguments, choose_benchmarks, settings_from_args
from distill.model.demo_model import resolve_model
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_yaml_mapping


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--config", type=Path, required=True, help="training file: gives model, benchmark and data by default"
    )
    parser.add_argument("--conditions", nargs="+", required=True, help="folders of --base_dir")
    parser.add_argument("--base_dir", type=Path, required=True, help="holds {condition}/checkpoint-{step}")
    parser.add_argument("--checkpoint_steps", nargs="+", type=int, help="default: all that exist")
    parser.add_argument("--output", type=Path, required=True, help="the results file (JSON)")
    add_settings_arguments(parser, model_required=False)


def run(args: argparse.Namespace) -> int:
    """Evaluate; 2 if a checkpoint could not be, though the others were."""
    config = read_yaml_mapping(args.config)
    model = args.model or _key(config, "model_name_or_path", "--model", args.config)
    benchmarks = choose_benchmarks(args.task or [_key(config, "benchmark", "--task", args.config)])
    args.data = args.data or config.get("data")
    args.enable_thinking = args.enable_thinking or bool(config.get("enable_thinking"))
    settings = settings_from_args(args, model=resolve_model(model))
    from distill.evaluation.sweep import sweep  # torch, only once the options are known to be right

    problems = sweep(settings, benchmarks, args.base_dir, args.conditions, args.checkpoint_steps, args.output)
    for problem in problems:
        print(f"icl-distill eval: {problem}", file=sys.stderr)
    if args.output.is_file():
        print(args.output)
    return 2 if problems else 0


def _key(config: dict[str, Any], name: str, option: str, path: Path) -> str:
    if not isinstance(config.get(name), str):
        raise UserError(f"{path}: key {name!r} is missing; add it, or give {option}.")
    return str(config[name])
