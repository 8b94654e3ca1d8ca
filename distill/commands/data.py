"""`icl-distill data`: look at the data without training."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from distill.evaluation.data_overlap import data_overlap, overlap_table
from distill.evaluation.settings import add_context_arguments, add_strict_argument
from lm_eval_tasks.benchmarks import BENCHMARKS, REWARD_SETS
from lm_eval_tasks.benchmarks.definition import Role
from lm_eval_tasks.episodes import Episode, fingerprint
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require
from lm_eval_tasks.files import write_json
from lm_eval_tasks.prompting.demonstrations import without_repeats
from lm_eval_tasks.reading import resolve_source
from lm_eval_tasks.sources import TaskSpec
from lm_eval_tasks.sources.benchmark import BenchmarkSource
from lm_eval_tasks.sources.overlap import Settings
from lm_eval_tasks.sources.unjudged import unjudged

_TASK = f"{', '.join(BENCHMARKS)}, a task of lm-eval, a YAML or a JSONL file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="columns, counts and compliant rows of each data set")
    add_strict_argument(check)
    preview = actions.add_parser("preview", help="one example as teacher and student read it")
    preview.add_argument("--model", required=True, help="whose tokenizer and chat template to use; or 'demo'")
    preview.add_argument("--index", type=int, default=0, help="row of the training split")
    preview.add_argument("--enable_thinking", action="store_true")
    for name, benchmark in BENCHMARKS.items():
        if benchmark.make_training is None:
            continue
        make = actions.add_parser(f"make-{name}", help="training data from any model's compliant responses")
        make.set_defaults(make_training=benchmark.make_training)
        make.add_argument(
            "--prompts", type=Path, required=True, help=f"JSON lines in {benchmark.title}'s schema"
        )
        make.add_argument(
            "--responses", type=Path, required=True, help="JSON lines: response, and prompt or key"
        )
        make.add_argument("--output", type=Path, required=True, help=f"such as FOLDER/{name}/train.jsonl")
    overlap = actions.add_parser(
        "overlap", help="training rows and demonstrations that stand in the evaluation"
    )
    overlap.add_argument("--ngram", type=int, default=13, help="words in a row that count as shared")
    overlap.add_argument("--threshold", type=float, default=0.8, help="share of the words of a near copy")
    for name, rewards in REWARD_SETS.items():
        overlap.add_argument(
            f"--{name}",
            dest="reward_sets",
            action="append_const",
            const=name,
            default=[],
            help=f"compare {rewards.title}'s rows with them as well",
        )
    overlap.add_argument("--output", type=Path, help="JSON file for all pairs")
    preview.add_argument("--task", required=True, help=_TASK)
    for action in (check, overlap):
        action.add_argument("--task", nargs="+", default=list(BENCHMARKS), help=f"{_TASK}; default: ours")
    for action in (check, preview, overlap):
        action.add_argument(
            "--inputs", metavar="JSONL", help="rows to learn from, in the place of the task's"
        )
        action.add_argument("--train_split", help="of a task of lm-eval: the split to learn from")
        action.add_argument("--num_fewshot", type=int, help="demonstrations; default: the task's own number")
        add_context_arguments(action)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action; `check` reports every data set and fails if one cannot be used."""
    if args.action == "preview":
        require("eval")
        # Imported here: it brings torch and transformers, which `check` does without.
        from distill.training.preview import preview

        print(preview(args))
        return 0
    if "make_training" in args:
        print(args.make_training(args.prompts, args.responses, args.output))
        return 0
    specs = [TaskSpec.of(args, task=task) for task in dict.fromkeys(args.task)]
    if args.action == "overlap":
        settings = Settings(ngram=args.ngram, threshold=args.threshold)
        found = data_overlap(specs, args.data, settings, reward_sets=args.reward_sets)
        print(overlap_table(found))
        if args.output:
            write_json(args.output, found)
            print(args.output)
        return 0
    if any(spec.task in BENCHMARKS for spec in specs):  # other tasks do not read it
        print(f"source: {resolve_source(args.data)}")
    roles: tuple[Role, ...] = ("train", "evaluation")
    usable = [_check(spec, role, strict=args.strict) for spec in specs for role in roles]
    return 0 if all(usable) else 2


def _check(spec: TaskSpec, role: Role, *, strict: bool) -> bool:
    broken: list[str] = []
    try:
        source = spec.open()
        if isinstance(source, BenchmarkSource):
            episodes = source.all_train if role == "train" else source.evaluation()
            broken = unjudged(source, episodes)
            lines = _benchmark_lines(source, role, episodes)
        else:
            lines = _lines(source.train() if role == "train" else source.evaluation())
    except UserError as error:
        print(f"{spec.task} {role}: NOT USABLE: {error}")
        return False
    print(f"{source.name} {role}: {lines[0]}")
    for line in lines[1:]:
        print(f"  {line}")
    if broken:
        named = ", ".join(broken[:5])
        print(f"  NOT JUDGEABLE: {len(broken)} rows, to which every answer is wrong (id {named})")
    return not (strict and broken)


def _benchmark_lines(source: BenchmarkSource, role: Role, episodes: Sequence[Episode]) -> list[str]:
    rows = source.raw_rows(role)
    found = f"{len(rows)} rows, fingerprint {fingerprint(episodes)}, columns {list(rows[0])}"
    return [found, *source.benchmark.describe(role, rows, episodes)]


def _lines(episodes: Sequence[Episode]) -> list[str]:
    columns = sorted({name for row in episodes for name in row.reference})
    labelled = sum(row.completion is not None for row in episodes)
    return [
        f"{len(episodes)} rows, fingerprint {fingerprint(episodes)}, columns {columns}",
        f"{labelled} with an answer, {len(without_repeats(episodes)[0])} different questions",
    ]
