"""`icl-distill report`: results files -> tables and a figure."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("paths", nargs="+", type=Path, help="results files, or folders that hold them")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write report.md into")
    parser.add_argument("--title", default="ICL distillation: results")


def run(args: argparse.Namespace) -> int:
    """Write the report and print its path."""
    from distill.report.markdown import write_report

    print(write_report(args.paths, args.output, args.title))
    return 0
