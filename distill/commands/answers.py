"""`icl-distill answers`: the prompted model answers inputs that have no completions."""

import argparse
from pathlib import Path

from distill.evaluation.settings import add_settings_arguments, settings_from_args, specs_from_args
from distill.model.demo_model import resolve_model
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.extras import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_settings_arguments(parser, model_required=True)
    parser.add_argument("--inputs", help="JSON lines; default: the task's own training rows")
    parser.add_argument("--train_split", help="of an lm-eval task: the split to answer")
    parser.add_argument("--num_fewshot", type=int, help="demonstrations; default: the task's own number")
    parser.add_argument("--n", type=int, default=1, help="answers drawn of each row; 1: the greedy one")
    parser.add_argument("--keep", choices=["all", "correct"], default="all", help="which are kept")
    parser.add_argument(
        "--gold",
        choices=["rewrite", "keep"],
        default="rewrite",
        help="answer rows with a completion, or keep it",
    )
    parser.add_argument("--limit", type=int, help="answer no more rows than this")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines: id, completion")


def run(args: argparse.Namespace) -> int:
    """Write the answers, and say what became of them."""
    require("eval")
    if not args.task or len(args.task) != 1:
        raise UserError(f"--task: {len(args.task or ())} were given; give one.")
    check(args.limit is None or args.limit > 0, "--limit", args.limit, "give 1 or more")
    (spec,) = specs_from_args(args, args.task, num_fewshot=args.num_fewshot)
    settings = settings_from_args(args, model=resolve_model(args.model))
    from distill.evaluation.answers import write_answers

    counts = write_answers(
        settings, spec, args.output, n=args.n, keep=args.keep, keep_gold=args.gold == "keep", limit=args.limit
    )
    print(f"{args.output}: {counts}")
    return 0
