"""`icl-distill tasks`: what can be baked out of all that lm-evaluation-harness knows.

Read from its YAML files alone: nothing is downloaded, no function of a task runs.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require

if TYPE_CHECKING:
    from lm_eval_tasks.sources.harness_listing import Listed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "pattern",
        nargs="?",
        help="a glob, or a part of the name: every match, with why not where it cannot be baked; "
        "default: all that can be",
    )
    parser.add_argument("--json", action="store_true", help="all of it as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the list and the counts."""
    require("eval", only=["lm-eval"])
    from lm_eval_tasks.sources.harness_index import known_tasks
    from lm_eval_tasks.sources.harness_listing import list_tasks, matching

    rows = matching(list_tasks(known_tasks()), args.pattern)
    if not rows:
        raise UserError(f"no name that lm-eval knows fits {args.pattern!r}; try a part of the name.")
    bakeable = [row for row in rows if not row.reason]
    if args.json:
        shown = {"bakeable": len(bakeable), "of": len(rows), "tasks": [asdict(row) for row in rows]}
        json.dump(shown, sys.stdout, ensure_ascii=False, indent=1)
        print()
        return 0
    _print_table(bakeable if args.pattern is None else rows)
    if args.pattern is None:
        _print_reasons(rows)
    print(summary(rows))
    return 0


def summary(rows: Sequence["Listed"]) -> str:
    """How many of how many can be baked, by kind."""
    parts = []
    for kind in ("task", "group", "tag"):
        of_kind = [row for row in rows if row.kind == kind]
        if of_kind:
            parts.append(f"{sum(not row.reason for row in of_kind):,} of {len(of_kind):,} {kind}s")
    bakeable = sum(not row.reason for row in rows)
    return f"can be baked: {bakeable:,} of {len(rows):,} names ({', '.join(parts)})"


def _print_table(rows: Sequence["Listed"]) -> None:
    width = max((len(row.name) for row in rows), default=4)
    print(f"{'name':{width}}  {'output type':15}  shots  splits (train/validation/test), or members")
    for row in rows:
        if row.members is None:
            about = "/".join(split or "-" for split in (row.train, row.validation, row.test))
        else:
            about = f"{row.kind} of {row.members} {'task' if row.members == 1 else 'tasks'}"
        why = f"  -- {row.reason}" if row.reason else ""
        print(f"{row.name:{width}}  {row.output_type:15}  {row.num_fewshot:5}  {about}{why}")


def _print_reasons(rows: Sequence["Listed"]) -> None:
    """The commonest reasons of single tasks."""
    reasons = Counter(row.reason for row in rows if row.reason and row.members is None)
    print("\nsingle tasks that cannot be, by reason (name a PATTERN to see them):")
    for reason, count in reasons.most_common(8):
        print(f"{count:6,}  {reason}")
