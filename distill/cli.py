"""The `icl-distill` command: one subcommand per module of `distill.commands`.

A subcommand module offers `add_arguments(parser)` and `run(args) -> int`; one that sets a default for `rest`
gets there what its parser does not know. Only the module of the
subcommand that was typed is imported, so that scoring never pays for torch.
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence

from lm_eval_tasks import __version__
from lm_eval_tasks.errors import UserError

COMMANDS = {
    "doctor": ("doctor", "check the installation, and say what to do"),
    "link-tasks": ("link_tasks", "let lm_eval find the tasks without a flag"),
    "demo-model": ("demo_model", "build the embedded default model into the cache folder"),
    "tasks": ("tasks", "list the tasks of lm-eval that can be baked"),
    "data": ("data", "check the data sets, preview rendered examples"),
    "cache-teacher": ("cache_teacher", "run the teacher once, so that training need not"),
    "score": ("score", "score a file of responses"),
    "bake": ("bake", "bake a prompt into a model: measure, train, measure again, report"),
    "gap": ("gap", "measure what a prompt gives: bare against prompted accuracy"),
    "answers": ("answers", "have the prompted model answer inputs without completions"),
    "eval": ("eval", "evaluate conditions x checkpoint steps"),
    "retention": ("retention", "what baking costs: other tasks, drift, and what a request saves"),
    "report": ("report", "write tables and figures from result files"),
    "leaderboard": ("leaderboard", "merge result files of lm_eval into one leaderboard JSON"),
    "run": ("run", "run the whole job: gap, training, evaluation, report"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns its exit code (2 for bad input, 130 interrupted)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="icl-distill", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in argv if word in COMMANDS), None)
    for name, (module_name, help_text) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=help_text, description=help_text)
        if name == chosen:
            module = importlib.import_module(f"distill.commands.{module_name}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args, rest = parser.parse_known_args(argv)
    if rest and not hasattr(args, "rest"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    try:
        return args.run(args)
    except UserError as error:
        print(f"icl-distill {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # also while a command loads its libraries
        print(f"\nicl-distill {args.command}: interrupted.", file=sys.stderr)
        return 128 + signal.SIGINT  # as shells have it


if __name__ == "__main__":
    sys.exit(main())
