"""`icl-distill data`: look at the data without training."""

import argparse
from collections import Counter
from pathlib import Path

from distill.commands.make_ifeval import make_ifeval
from distill.evaluation.data_overlap import data_overlap, overlap_table
from lm_eval_tasks.datasets import BENCHMARKS, load_evaluation, load_train, read_rows, resolve_source
from lm_eval_tasks.demonstrations import DEFAULT_SEED, MODES
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json
from lm_eval_tasks.overlap import Settings
from lm_eval_tasks.schemas import fingerprint, is_compliant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="columns, counts and compliant rows of each data set")
    check.add_argument("--task", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    preview = actions.add_parser("preview", help="one example as teacher and student read it")
    preview.add_argument("--task", choices=list(BENCHMARKS), required=True)
    preview.add_argument("--model", required=True, help="whose tokenizer and chat template to use; or 'demo'")
    preview.add_argument(
        "--num_fewshot", type=int, help="demonstrations; default: the benchmark's own number"
    )
    preview.add_argument("--index", type=int, default=0, help="row of the training split")
    preview.add_argument("--demonstrations", choices=MODES, default="fixed")
    preview.add_argument("--demonstration_seed", type=int, default=DEFAULT_SEED)
    preview.add_argument("--enable_thinking", action="store_true")
    make = actions.add_parser("make-ifeval", help="training data from any model's compliant responses")
    make.add_argument("--prompts", type=Path, required=True, help="JSON lines in IFEval's schema")
    make.add_argument("--responses", type=Path, required=True, help="JSON lines: response, and prompt or key")
    make.add_argument("--output", type=Path, required=True, help="such as FOLDER/ifeval/train.jsonl")
    overlap = actions.add_parser(
        "overlap", help="training rows and demonstrations that stand in the evaluation"
    )
    overlap.add_argument("--task", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    overlap.add_argument("--ngram", type=int, default=13, help="words in a row that count as shared")
    overlap.add_argument("--threshold", type=float, default=0.8, help="share of the words of a near copy")
    overlap.add_argument("--rlvr", action="store_true", help="compare RLVR-IFeval's rows with them as well")
    overlap.add_argument("--output", type=Path, help="JSON file for all pairs")
    for action in (check, preview, overlap):
        action.add_argument("--data", help="hub, sample or a folder; default: ICL_DATA_DIR, else hub")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action; `check` reports every data set and fails if one cannot be used."""
    if args.action == "preview":
        # Imported here: it brings torch and transformers, which `check` does without.
        from distill.training.preview import preview

        print(preview(args))
        return 0
    if args.action == "make-ifeval":
        print(make_ifeval(args.prompts, args.responses, args.output))
        return 0
    if args.action == "overlap":
        settings = Settings(ngram=args.ngram, threshold=args.threshold)
        found = data_overlap(args.task, args.data, settings, rlvr=args.rlvr)
        print(overlap_table(found))
        if args.output:
            write_json(args.output, found)
            print(args.output)
        return 0
    source = resolve_source(args.data)
    print(f"source: {source}")
    usable = [_check(benchmark, role, source) for benchmark in args.task for role in ("train", "evaluation")]
    return 0 if all(usable) else 2


def _check(benchmark: str, role: str, source: str) -> bool:
    try:
        rows = [row for _, row in read_rows(benchmark, role, source)]
        examples = load_train(benchmark, source) if role == "train" else load_evaluation(benchmark, source)
    except UserError as error:
        print(f"{benchmark} {role}: NOT USABLE: {error}")
        return False
    print(
        f"{benchmark} {role}: {len(rows)} rows, fingerprint {fingerprint(examples)}, columns {list(rows[0])}"
    )
    if benchmark == "ifeval":
        if role == "train":
            compliant = sum(is_compliant(row) for row in rows)
            print(f"  compliant (prompt_level_strict_acc): {compliant} of {len(rows)}")
        kinds = Counter(name for example in examples for name in example.instruction_id_list)
        print(f"  {sum(kinds.values())} instructions of {len(kinds)} types")
    return True
