"""`icl-distill report`: results files -> tables, figures and one HTML page."""

import argparse
import sys
from pathlib import Path

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("paths", nargs="+", type=Path, help="a run's folder; or results files and folders")
    parser.add_argument("--output", type=Path, help="default: the folder `report` in the run's")
    parser.add_argument("--title", default="ICL distillation: results")
    parser.add_argument(
        "--cards", action="store_true", help="write training and results into each checkpoint's README.md"
    )


def run(args: argparse.Namespace) -> int:
    """Write the report, and print what was written; 2 if it has an error to tell."""
    require("report")
    from distill.report.write import write_report

    output = args.output or _default_output(args.paths)
    written, errors = write_report(args.paths, output, args.title, cards=args.cards)
    for page in written:
        print(page)
    for error in errors:
        print(f"icl-distill report: {error}", file=sys.stderr)
    return 2 if errors else 0


def _default_output(paths: list[Path]) -> Path:
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0] / "report"
    raise UserError("--output is missing: name the report's folder, or give one run's folder alone.")
