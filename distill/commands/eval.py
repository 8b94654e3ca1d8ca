"""`icl-distill eval`: every checkpoint of several conditions, in one engine."""

import argparse
import sys
from pathlib import Path
from typing import Any

from distill.evaluation.settings import (
    add_settings_arguments,
    add_strict_argument,
    settings_from_args,
    specs_from_args,
)
from distill.model.demo_model import resolve_model
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require
from lm_eval_tasks.files import read_yaml_mapping

_OF_THE_CONFIG = (
    "data", "demonstrations", "demonstration_seed", "system_instruction", "document", "privileged",
    "privileged_template", "enable_thinking",
)  # fmt: skip
"""What the training's file says where the command line does not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--config", type=Path, required=True, help="training file: gives model, task and data by default"
    )
    parser.add_argument("--conditions", nargs="+", required=True, help="folders of --base_dir")
    parser.add_argument("--base_dir", type=Path, required=True, help="holds {condition}/checkpoint-{step}")
    parser.add_argument(
        "--checkpoint_steps",
        nargs="+",
        type=_step,
        help="steps; best: of the lowest held-out divergence; last; default: all that exist",
    )
    parser.add_argument(
        "--prompted", nargs="+", default=[], metavar="CONDITION", help="asked with the prompt as well"
    )
    parser.add_argument(
        "--num_fewshot", nargs="+", type=int, help="of the prompted view; default: the task's"
    )
    parser.add_argument("--output", type=Path, required=True, help="the results file (JSON)")
    add_settings_arguments(parser, model_required=False)
    add_strict_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; 2 if a checkpoint could not be, though the others were."""
    require("eval")
    config = read_yaml_mapping(args.config)
    model = args.model or _key(config, "model_name_or_path", "--model", args.config)
    former = "benchmark" if "task" not in config and "benchmark" in config else "task"
    tasks = args.task or [_key(config, former, "--task", args.config)]
    for name in _OF_THE_CONFIG:
        setattr(args, name, _first(getattr(args, name), config.get(name)))
    specs = specs_from_args(args, tasks)
    settings = settings_from_args(args, model=resolve_model(model))
    # torch, only once the options are known to be right
    from distill.evaluation.measure import BARE, PROMPTED
    from distill.evaluation.session import prepare_questions, refuse_unjudged
    from distill.evaluation.sweep import sweep

    shots = args.num_fewshot or ([config["num_fewshot"]] if config.get("num_fewshot") is not None else None)
    questions = []
    for spec in specs:
        questions += prepare_questions(settings, spec, [0], [BARE])
        if args.prompted:
            questions += prepare_questions(settings, spec, shots, [PROMPTED])
    if args.strict:
        refuse_unjudged(questions)
    problems = sweep(
        settings,
        questions,
        args.base_dir,
        args.conditions,
        args.checkpoint_steps,
        args.output,
        prompted=args.prompted,
    )
    for problem in problems:
        print(f"icl-distill eval: {problem}", file=sys.stderr)
    if args.output.is_file():
        print(args.output)
    return 2 if problems else 0


def _first(given: Any, of_config: Any) -> Any:
    return of_config if given is None else given


def _step(word: str) -> int | str:
    if word in ("best", "last"):
        return word
    if not word.isdigit():
        raise argparse.ArgumentTypeError(f"{word!r} is no step; give numbers, best or last")
    return int(word)


def _key(config: dict[str, Any], name: str, option: str, path: Path) -> str:
    if not isinstance(config.get(name), str):
        raise UserError(f"{path}: key {name!r} is missing; add it, or give {option}.")
    return str(config[name])
