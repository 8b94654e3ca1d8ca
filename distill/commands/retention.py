"""`icl-distill retention`: what baking costs: other tasks, drift, and what a request saves."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.evaluation.settings import BACKENDS, settings_from_args
from distill.model.demo_model import resolve_model
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--model", required=True, help="the base model: hub name, folder, or 'demo'")
    add("--base_dir", type=Path, required=True, help="holds {condition}/checkpoint-{step}")
    add("--conditions", nargs="+", required=True, help="folders of --base_dir: the students")
    add("--checkpoint_step", default="best", help="a step, best (lowest held-out divergence) or last")
    add("--best_of", nargs="+", default=[], metavar="CONDITION", help="tries at one thing: the best counts")
    add("--results", type=Path, help="results file of `eval`, which says what the best of --best_of is")
    add("--task", nargs="*", default=[], help="tasks that have nothing to do with the job; none: drift alone")
    add("--data", default="sample", help="of benchmarks among them: hub, sample or a folder")
    add("--n_samples", type=int, help="evaluate the first N rows of each; default: all")
    add("--max_new_tokens", type=int, help="longest response; default: the task's own limit")
    add("--gap", type=Path, help="results file of `gap`, which says how long a request's prompt is")
    add("--answers_record", type=Path, help="JSON with the `seconds` that the teacher's answers took")
    add("--output", type=Path, required=True, help="folder for results.json, drift.json and economy.json")
    add("--backend", choices=BACKENDS, help="default: vllm if installed and CUDA is present, else hf")
    add("--tensor_parallel_size", type=int, default=1, help="GPUs that one engine spans")
    add("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"])
    add("--batch_size", default="16", help="prompts at once on the hf backend: a number or 'auto'")
    add("--seed", type=int, default=42)
    parser.set_defaults(enable_thinking=False, model_args="")


def run(args: argparse.Namespace) -> int:
    """Measure, and say where it is."""
    require("eval")
    settings = settings_from_args(args, model=resolve_model(args.model))
    # torch, only once the options are known to be right
    from distill.evaluation.checkpoints import find_checkpoints
    from distill.evaluation.economy import read_request
    from distill.evaluation.retention import measure_retention
    from distill.evaluation.retention_tasks import prepare_tasks

    questions = prepare_tasks(settings, args.task, args.data)
    conditions = chosen(args.conditions, args.best_of, args.results)
    step = args.checkpoint_step if args.checkpoint_step in ("best", "last") else _step(args.checkpoint_step)
    checkpoints, problems = find_checkpoints(args.base_dir, conditions, [step])
    if problems:
        raise UserError(" ".join(problems))
    measure_retention(
        settings,
        questions,
        checkpoints,
        args.output,
        request=read_request(args.gap) if args.gap else None,
        answers_seconds=_seconds(args.answers_record),
    )
    print(args.output)
    return 0


def chosen(conditions: Sequence[str], rivals: Sequence[str], results: Path | None) -> list[str]:
    """The conditions without all rivals but the one with the best score, bare, in a results file.

    All of them stay where the file does not say which is the best.

    Raises:
        UserError: the file cannot be used.
    """
    from distill.evaluation.results import read_results, view_of

    found: dict[str, list[dict[str, Any]]] = {}
    for entry in read_results(results)["results"] if results and results.is_file() else ():
        if entry["condition"] in rivals and view_of(entry) == "bare":
            found.setdefault(entry["condition"], []).append(next(iter(entry["metrics"].values())))
    scores = {
        name: sum(one["rate"] * one["total"] for one in metrics) / sum(one["total"] for one in metrics)
        for name, metrics in found.items()
    }
    best = max(scores, key=lambda name: scores[name], default=None)
    return [name for name in conditions if best is None or name not in rivals or name == best]


def _step(word: str) -> int:
    if not word.isdigit():
        raise UserError(f"--checkpoint_step: {word!r} is no step; give a number, best or last.")
    return int(word)


def _seconds(record: Path | None) -> float:
    if record is None or not record.is_file():
        return 0.0
    return float(json.loads(record.read_text(encoding="utf-8")).get("seconds", 0.0))
