"""`icl-distill score`: verdicts and accuracies for a file of responses.

Formats of its files: lm_eval_tasks/scorefile/README.md.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from lm_eval_tasks import __version__
from lm_eval_tasks.benchmarks import BENCHMARKS, REWARD_SETS, Benchmark, RewardSet
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import whole_file, write_json
from lm_eval_tasks.scorefile.chunks import Job, Line, Scored, score_lines
from lm_eval_tasks.scorefile.judging import UNKNOWN_CONSTRAINTS, Judge
from lm_eval_tasks.scorefile.records import parse_line
from lm_eval_tasks.scorefile.totals import Totals

MAX_NAMED_ROWS = 20
_SCORED: dict[str, Benchmark | RewardSet] = {**BENCHMARKS, **REWARD_SETS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--task", choices=list(_SCORED), required=True)
    parser.add_argument(
        "--responses", type=Path, required=True, help="JSON lines; lm-eval's samples_*.jsonl too"
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="the prompts, where rows do not say what they answer; default: in ICL_DATA_DIR",
    )
    parser.add_argument(
        "--revision", help="whose functions judge, where a reward set has several; default: the first"
    )
    parser.add_argument("--output", type=Path, required=True, help="the scores, as JSON")
    parser.add_argument("--verdicts", type=Path, help="one JSON line per response")
    parser.add_argument("--workers", type=int, default=1, help="processes; results do not depend on it")
    parser.add_argument(
        "--keep_going", action="store_true", help="count malformed rows as failures instead of exiting with 2"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with 2 where a row names a constraint that nothing defines; else it counts as failed",
    )


def run(args: argparse.Namespace) -> int:
    """Score; 2 if rows are malformed and `--keep_going` is not given."""
    if args.workers < 1:
        raise UserError(f"--workers must be at least 1, not {args.workers}.")
    if args.strict and args.keep_going:
        raise UserError("--strict and --keep_going contradict each other; give one of them.")
    if not args.responses.is_file():
        raise UserError(f"--responses: {args.responses} does not exist.")
    job = Job(_judge_maker(args), _first_filter(args.responses))
    judge = job.make_judge()
    totals = Totals(judge)
    with whole_file(args.verdicts) if args.verdicts else contextlib.nullcontext() as verdicts:
        rows, malformed, unknown = _score_file(args, job, totals, verdicts)
    if rows == 0:
        raise UserError(f"--responses: {args.responses} holds no rows.")
    fatal = [*malformed, *unknown] if args.strict else malformed
    if fatal and not args.keep_going:
        print(_complaint(args, fatal, rows), file=sys.stderr)
        return 2
    result = _result(args, totals, rows, malformed, judge.about_data())
    if unknown:
        result["unknown_constraints"] = {"rows": len(unknown), "first": unknown[:MAX_NAMED_ROWS]}
    write_json(args.output, result)
    _print_summary(result, totals.diagnostics.warning())
    return 0


def _judge_maker(args: argparse.Namespace) -> Callable[[], Judge]:
    make: Callable[..., Judge] = _SCORED[args.task].make_judge
    if args.revision is None:
        return partial(make, args.data)
    known = REWARD_SETS[args.task].revisions if args.task in REWARD_SETS else ()
    if args.revision not in known:
        remedy = f"choose from {', '.join(known)}" if known else f"{args.task} has none; leave it out"
        raise UserError(f"--revision is {args.revision!r}; {remedy}.")
    return partial(make, args.data, revision=args.revision)


def _score_file(
    args: argparse.Namespace, job: Job, totals: Totals, verdicts: IO[bytes] | None
) -> tuple[int, list[str], list[str]]:
    """Add every line to the totals and write its verdicts.

    Returns:
        The number of rows, what is wrong with malformed ones, and with those that name unknown constraints.
    """
    rows, malformed, unknown = 0, [], []
    size = args.responses.stat().st_size
    with tqdm(total=size, unit="B", unit_scale=True, desc=f"score {args.task}", file=sys.stderr) as progress:
        for chunk in score_lines(_lines(args.responses), job, args.workers):
            for scored in chunk:
                rows += 1
                progress.update(scored.size)
                if scored.error is not None:
                    malformed.append(scored.error)
                for judged in scored.judged:
                    totals.add(judged)
                    if judged.counts.get(UNKNOWN_CONSTRAINTS):
                        unknown.append(f"row {scored.row} (line {scored.line}): {judged.verdict['error']}")
                if verdicts is not None:
                    verdicts.writelines(_verdict_lines(scored))
    return rows, malformed, unknown


def _verdict_lines(scored: Scored) -> Iterator[bytes]:
    for judged in scored.judged:
        # ASCII alone: an answer may hold half of a surrogate pair, which no encoding of the file could.
        yield (json.dumps({"row": scored.row, **judged.verdict}) + "\n").encode()


def _lines(path: Path) -> Iterator[Line]:
    row = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if raw.strip():
                # A line in another encoding comes out as no JSON, and as an error of its own.
                yield Line(row, number, len(raw), raw.decode("utf-8", errors="replace"))
                row += 1


def _first_filter(path: Path) -> str | None:
    """The answer filter of the first row: lm-eval logs every response once per filter of the task."""
    for line in _lines(path):
        with contextlib.suppress(UserError):
            name = parse_line(line.text).get("filter")
            return name if isinstance(name, str) else None
    return None


def _result(
    args: argparse.Namespace, totals: Totals, rows: int, malformed: list[str], data: dict[str, Any]
) -> dict[str, Any]:
    return {
        "task": args.task,
        "version": __version__,
        "responses_file": str(args.responses),
        "rows": rows,
        "malformed": {"count": len(malformed), "first": malformed[:MAX_NAMED_ROWS]},
        **data,
        **totals.summary(),
    }


def _complaint(args: argparse.Namespace, malformed: list[str], rows: int) -> str:
    named = "\n".join(f"  {error}" for error in malformed[:MAX_NAMED_ROWS])
    more = len(malformed) - MAX_NAMED_ROWS
    return (
        f"icl-distill score: {len(malformed)} of {rows} rows of {args.responses} are malformed:\n{named}"
        + (f"\n  and {more} more" if more > 0 else "")
        + "\nNo scores are written. Mend the rows, or count them as failures with --keep_going."
    )


def _print_summary(result: dict[str, Any], warning: str | None) -> None:
    width = max(26, 1 + max(map(len, result["metrics"])))
    for name, metric in result["metrics"].items():
        if metric["value"] is None:
            continue
        low, high = metric["wilson_95"]
        print(f"{name:{width}}{metric['value']:8.2%}  ({metric['count']}; 95% {low:.2%} to {high:.2%})")
    for name, value in result.items():  # means of several accuracies
        if isinstance(value, float):
            print(f"{name:{width}}{value:8.2%}")
    if result["malformed"]["count"]:
        print(f"malformed rows, counted as failures: {result['malformed']['count']}", file=sys.stderr)
    if unknown := result.get("unknown_constraints"):
        print(
            f"unknown constraints in {unknown['rows']} responses, counted as failures; {unknown['first'][0]}",
            file=sys.stderr,
        )
    if warning:
        print(f"\n{'!' * 80}\n{warning}\n{'!' * 80}", file=sys.stderr)
