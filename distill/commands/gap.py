"""`icl-distill gap`: what a prompt gives: bare against prompted accuracy of one model, in one engine load."""

import argparse
from pathlib import Path

from distill.evaluation.settings import (
    add_settings_arguments,
    add_strict_argument,
    settings_from_args,
    specs_from_args,
)
from distill.model.demo_model import resolve_model
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_settings_arguments(parser, model_required=True)
    add_strict_argument(parser)
    parser.add_argument(
        "--num_fewshot",
        nargs="+",
        type=int,
        help="numbers of demonstrations, 0 for none; default: none and the task's own",
    )
    parser.add_argument("--output", type=Path, required=True, help="the results file (JSON)")


def run(args: argparse.Namespace) -> int:
    """Measure, and print a line for each result."""
    require("eval")
    if not args.task:
        raise UserError(
            f"--task is missing; give {', '.join(BENCHMARKS)}, a task of lm-eval, a YAML or a JSONL file."
        )
    specs = specs_from_args(args, args.task)
    settings = settings_from_args(args, model=resolve_model(args.model))
    # torch, only once the options are known to be right
    from distill.evaluation.gap import measure_gap
    from distill.evaluation.measure import VIEWS
    from distill.evaluation.session import prepare_questions, refuse_unjudged
    from distill.evaluation.summary import headline

    shots = args.num_fewshot
    questions = [question for spec in specs for question in prepare_questions(settings, spec, shots, VIEWS)]
    if args.strict:
        refuse_unjudged(questions)
    for entry in measure_gap(settings, questions, args.output):
        print(headline(entry))
    print(args.output)
    return 0
