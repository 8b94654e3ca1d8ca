"""`icl-distill leaderboard`: result files of lm_eval merged into one."""

import argparse
import sys
from pathlib import Path
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require
from lm_eval_tasks.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("results", nargs="+", type=Path, help="results_*.json files of lm_eval, or folders")
    parser.add_argument("--output", required=True, type=Path, help="the leaderboard, JSON")
    parser.add_argument(
        "--model_card", type=Path, help="write the model-index block into this card (README.md)"
    )


def run(args: argparse.Namespace) -> int:
    """Merge, write, and say what is in it."""
    require("report", only=["numpy", "scipy"])
    from distill.report.leaderboard import leaderboard, result_files
    from distill.report.lm_eval_paired import label
    from distill.report.model_index import model_index, write_card

    board = leaderboard(result_files(args.results))
    if args.model_card and len(board["models"]) != 1:
        names = ", ".join(map(label, board["models"]))
        raise UserError(f"--model_card is of one model, and the results are of several: {names}.")
    for entry in board["models"]:
        entry["model_index"] = model_index(entry)
    write_json(args.output, board)
    if args.model_card:
        write_card(board["models"][0], args.model_card)
    for entry in board["models"]:
        print(f"{label(entry)}: {len(entry['tasks'])} task results")
    for line in board["comparisons"]:
        print(_compared(line))
    for warning in board["warnings"]:
        print(f"icl-distill leaderboard: warning: {warning}", file=sys.stderr)
    return 0


def _compared(line: dict[str, Any]) -> str:
    from distill.report.labels import interval, points
    from distill.report.paired_tables import p_value

    place = f"{line['task']} {line['num_fewshot']}-shot, {line['metric']}"
    gain = f"{points(line['difference'])} {interval(line['interval'])}, {line['n']} rows"
    p = "" if line["p"] is None else f", p = {p_value(line['p'])}, adjusted {p_value(line['p_holm'])}"
    doubt = f"; differs: {', '.join(line['differs'])}" if line["differs"] else ""
    return f"{place}: {line['second']} against {line['first']}: {gain}{p}{doubt}"
