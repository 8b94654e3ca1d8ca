"""`icl-distill leaderboard`: results, of ours and of lm_eval, merged into one."""

import argparse
import sys
from pathlib import Path
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require
from lm_eval_tasks.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "results", nargs="+", type=Path, help="results files of lm_eval, gap, eval or bake, or folders"
    )
    parser.add_argument("--output", required=True, type=Path, help="the leaderboard, JSON")
    parser.add_argument(
        "--lm_eval", type=Path, metavar="FOLDER", help="write every result there, in the files of lm_eval"
    )
    parser.add_argument(
        "--model_card", type=Path, help="write the model-index block into this card (README.md)"
    )


def run(args: argparse.Namespace) -> int:
    """Merge, write, and say what is in it."""
    require("report", only=["numpy", "scipy"])
    from distill.evaluation.lm_eval_writing import write_lm_eval
    from distill.evaluation.result import read_file
    from distill.report.leaderboard import leaderboard, result_files
    from distill.report.leaderboard_pairs import label

    files = result_files(args.results)
    board = leaderboard(files)
    if args.model_card and len(board["models"]) != 1:
        names = ", ".join(map(label, board["models"]))
        raise UserError(f"--model_card is of one model, and the results are of several: {names}.")
    for result in (result for file in files if args.lm_eval for result in read_file(file)):
        write_lm_eval(result, args.lm_eval)
    write_json(args.output, board)
    if args.model_card:
        _write_card(board["models"][0], args.model_card)
    for entry in board["models"]:
        print(f"{label(entry)}: {len(entry['tasks'])} task results")
    for line in board["comparisons"]:
        print(_compared(line))
    for warning in board["warnings"]:
        print(f"icl-distill leaderboard: warning: {warning}", file=sys.stderr)
    return 0


def _write_card(entry: dict[str, Any], file: Path) -> None:
    from huggingface_hub import ModelCardData
    from huggingface_hub.repocard_data import model_index_to_eval_results

    from distill.report.card_file import update_card

    name, results = model_index_to_eval_results(entry["model_index"])
    update_card(file, title=name, part=None, results=results, defaults=ModelCardData(model_name=name))


def _compared(line: dict[str, Any]) -> str:
    from distill.report.labels import interval, points
    from distill.report.paired_tables import p_value

    place = f"{line['task']} {line['num_fewshot']}-shot, {line['metric']}"
    gain = f"{points(line['difference'])} {interval(line['interval'])}, {line['n']} rows"
    p = "" if line["p"] is None else f", p = {p_value(line['p'])}, adjusted {p_value(line['p_holm'])}"
    doubt = f"; differs: {', '.join(line['differs'])}" if line["differs"] else ""
    return f"{place}: {line['second']} against {line['first']}: {gain}{p}{doubt}"
