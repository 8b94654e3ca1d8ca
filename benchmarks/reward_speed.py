"""How fast GRPO's reward function judges the embedded sample: completions per second on one core.

    OMP_NUM_THREADS=1 python benchmarks/reward_speed.py

The ratio is against the same verdicts with nothing kept from one completion to the next: a ground truth is
parsed and checked anew for every one, as a reward function written per row does.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lm_eval_tasks.benchmarks.rlvr.data import load_rlvr
from lm_eval_tasks.benchmarks.rlvr.rewards import build_reward, read_constraints

TARGET = 5000
BATCH = 64


def batches(thought: str = "") -> list[dict[str, Any]]:
    """The sample's responses, good and bad, after `thought`, in batches of `BATCH`."""
    data = load_rlvr("sample")
    rows = [*data.train, *data.evaluation]
    pairs = [
        (f"{thought}{text}", row.ground_truth) for row in rows for text in (row.satisfying, row.violating)
    ]
    return [
        {"completions": [text for text, _ in part], "ground_truth": [truth for _, truth in part]}
        for part in (pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH))
    ]


def rates(runs: Mapping[str, Callable[[], int]], repeats: int) -> dict[str, float]:
    """Median completions per second of processor time, which no other process shares; runs take turns."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.process_time()
            count = run()
            found[name].append(count / (time.process_time() - start))
    return {name: statistics.median(values) for name, values in found.items()}


def score_all(parts: Sequence[dict[str, Any]], *, reasoning: bool) -> int:
    """Judge every batch; returns the number of completions."""
    reward = build_reward(reasoning=reasoning)
    return sum(len(reward(**part, log_metric=lambda *_: None)) for part in parts)


def score_row_by_row(parts: Sequence[dict[str, Any]]) -> int:
    """The same, one completion at a time, with no ground truth remembered."""
    reward = build_reward()
    count = 0
    for part in parts:
        for text, truth in zip(part["completions"], part["ground_truth"], strict=True):
            read_constraints.cache_clear()
            count += len(reward([text], [truth]))
    return count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    parts, thoughtful = batches(), batches("<think>First the constraint, then the text.</think>\n")
    score_all(parts, reasoning=False)  # the language models load
    single = "row by row, plain"
    found = rates(
        {
            "batches, plain": lambda: score_all(parts, reasoning=False),
            "batches, reasoning": lambda: score_all(thoughtful, reasoning=True),
            single: lambda: score_row_by_row(parts),
        },
        repeats,
    )
    completions = sum(len(part["completions"]) for part in parts)
    print(
        f"{completions} completions of the sample, medians of {repeats} repeats; target {TARGET:,} a second"
    )
    print("| reward function | completions per second | against row by row |")
    print("|---|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:,.0f} | {value / found[single]:.2f} |")


if __name__ == "__main__":
    main()
