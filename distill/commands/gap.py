"""`icl-distill gap`: 0-shot against k-shot accuracy of one model, in one engine load."""

import argparse
from pathlib import Path

from distill.evaluation.settings import add_settings_arguments, choose_benchmarks, settings_from_args
from distill.evaluation.summary import headline
from distill.model.demo_model import resolve_model
from lm_eval_tasks.datasets import BENCHMARKS
from lm_eval_tasks.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_settings_arguments(parser, model_required=True)
    parser.add_argument(
        "--num_fewshot", nargs="+", type=int, help="numbers of demonstrations; default: 0 and the task's own"
    )
    parser.add_argument("--output", type=Path, required=True, help="the results file (JSON)")


def run(args: argparse.Namespace) -> int:
    """Measure, and print a line for each result."""
    if not args.task:
        raise UserError(f"--task is missing; give one or more of {', '.join(BENCHMARKS)}.")
    benchmarks = choose_benchmarks(args.task)
    settings = settings_from_args(args, model=resolve_model(args.model))
    from distill.evaluation.gap import measure_gap  # torch, only once the options are known to be right

    asked = {name: args.num_fewshot or [0, BENCHMARKS[name].num_fewshot] for name in benchmarks}
    for entry in measure_gap(settings, asked, args.output):
        print(headline(entry))
    print(args.output)
    return 0
