"""IFEval scoring: lm-evaluation-harness's checkers against ours, on the same responses in one run.

    OMP_NUM_THREADS=1 python benchmarks/score_ifeval.py --data ../shared/data/ifeval/test.jsonl

Each repeat scores fresh made-up responses (one per prompt, prose like a chat model's) with both, in
alternating order, so that no cache carries over from one repeat to the next. Import times come from fresh
interpreters. lm-eval's language identification is seeded, as ours is. The letters that lm-eval draws at
random (keys 1122 and 1129) are left out of the agreement.
"""

import argparse
import json
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ifeval_reference import Reference, load_reference
from ifeval_responses import chat_response

from lm_eval_tasks.benchmarks.ifeval.scorer import check

Verdicts = list[tuple[list[bool], list[bool]]]
RANDOM_IN_REFERENCE = (1122, 1129)


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="google/IFEval as JSON lines")
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    logging.disable(logging.ERROR)  # lm-eval logs each text whose language it cannot tell
    rows = [json.loads(line) for line in args.data.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        imports = import_seconds(Path(folder))
        reference = load_reference(Path(folder))
        seconds, agreed, total = compare(rows, reference, args.repeats)
    report(seconds, imports, agreed, total, len(rows))
    return 0 if agreed == total else 1


def compare(
    rows: list[dict[str, Any]], reference: Reference, repeats: int
) -> tuple[dict[str, list[float]], int, int]:
    """Seconds per repeat of both sides, instruction verdicts that agree, and all of them."""
    sides: dict[str, Callable[[list[str]], Verdicts]] = {
        "lm-eval": lambda responses: score_reference(rows, responses, reference),
        "ours": lambda responses: score_ours(rows, responses),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    agreed = total = 0
    for repeat in range(-1, repeats):  # the first round warms both up and is not timed
        responses = [chat_response(row, random.Random(f"{repeat} {row['key']}")) for row in rows]
        verdicts = {}
        for name in list(sides) if repeat % 2 else list(sides)[::-1]:
            start = time.perf_counter()
            verdicts[name] = sides[name](responses)
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - start)
        for row, theirs, ours in zip(rows, verdicts["lm-eval"], verdicts["ours"], strict=True):
            if row["key"] not in RANDOM_IN_REFERENCE:
                pairs = [*zip(theirs[0], ours[0], strict=True), *zip(theirs[1], ours[1], strict=True)]
                agreed += sum(a == b for a, b in pairs)
                total += len(pairs)
    return seconds, agreed, total


def score_reference(rows: list[dict[str, Any]], responses: list[str], reference: Reference) -> Verdicts:
    """Both lists of instruction verdicts per response, by lm-eval."""
    results = [reference(row, response) for row, response in zip(rows, responses, strict=True)]
    return [(result["inst_level_strict_acc"], result["inst_level_loose_acc"]) for result in results]


def score_ours(rows: list[dict[str, Any]], responses: list[str]) -> Verdicts:
    """The same by our scorer."""
    results = [
        check(response, instruction_id_list=row["instruction_id_list"], kwargs=row["kwargs"])
        for row, response in zip(rows, responses, strict=True)
    ]
    return [(list(result.inst_level_strict), list(result.inst_level_loose)) for result in results]


def import_seconds(folder: Path) -> dict[str, float]:
    """Median seconds to import each side in a fresh interpreter."""
    statements = {
        "lm-eval": f"from ifeval_reference import load_reference; from pathlib import Path; "
        f"load_reference(Path({str(folder)!r}))",
        "ours": "import lm_eval_tasks.benchmarks.ifeval.scorer",
        "nothing": "pass",
    }
    medians = {}
    for name, statement in statements.items():
        runs = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True, cwd=Path(__file__).parent)
            runs.append(time.perf_counter() - start)
        medians[name] = statistics.median(runs)
    return {name: medians[name] - medians["nothing"] for name in ("lm-eval", "ours")}


def report(
    seconds: dict[str, list[float]], imports: dict[str, float], agreed: int, total: int, responses: int
) -> None:
    """Print the table."""
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    print(f"{responses} responses, strict and loose; median of {len(seconds['ours'])} repeats, one core")
    print(f"{'':10}{'seconds':>10}{'min':>9}{'max':>9}{'import':>10}")
    for name, median in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(f"{name:10}{median:10.3f}{low:9.3f}{high:9.3f}{imports[name]:10.2f}")
    print(f"ratio     {medians['lm-eval'] / medians['ours']:9.1f}x")
    print(f"agreement {agreed}/{total} instruction verdicts ({agreed / total:.4%})")


if __name__ == "__main__":
    sys.exit(main())
