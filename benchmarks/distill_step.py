"""Seconds and memory of one training step, ours beside the published recipe and TRL's losses.

    python benchmarks/distill_step.py                           # both tables, about 15 minutes on two cores
    python benchmarks/distill_step.py --tables short --repeats 2

Embedded model, float32, LoRA r16 on all linear layers, GSM8K rows (ICL_DATA_DIR, else the hub), batch 4,
fixed demonstrations. Times: variants take turns in one process, repeat by repeat on the same batches; a ratio
is the median over the repeats of the ratio to plain SFT within the repeat. Memory: each variant in a process
of its own, the largest resident size during its steps. Ratios travel between machines, seconds do not.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from distill_variants import Workbench
from tqdm import tqdm

VARIANTS = {
    "sft": "plain SFT, full logits (the unit)",
    "sft_answers": "SFT, vocabulary projected at answer tokens only",
    "published": "published recipe: second full model, full teacher forward, top-256 MSE",
    "gkd_jsd": "the same with TRL GKD's full-vocabulary JSD",
    "mse@0": "ours, k = 0, topk_mse",
    "mse@8": "ours, k = 8, topk_mse",
    "mse@16": "ours, k = 16, topk_mse",
    "jsd@8": "ours, k = 8, jsd (beta 0.5)",
    "cached": "ours, cached targets (top 256), topk_mse",
    "teacher_full@8": "teacher alone, k = 8, full forward",
    "teacher_shared@8": "teacher alone, k = 8, shared prefix",
    "teacher_full@16": "teacher alone, k = 16, full forward",
    "teacher_shared@16": "teacher alone, k = 16, shared prefix",
}
SLOW = {"published", "gkd_jsd", "teacher_full@8", "teacher_full@16"}
"""Timed in the first repeat only: half a minute or more each."""
TABLES: dict[str, dict[str, Any]] = {
    "short": {"batch_size": 4, "answers": 1, "variants": list(VARIANTS)},
    "long": {
        "batch_size": 2, "answers": 6,
        "variants": ["sft", "sft_answers", "published", "gkd_jsd", "mse@8", "jsd@8", "cached"],
    },
}  # fmt: skip
MEASURED_MEMORY = ("sft", "sft_answers", "published", "gkd_jsd", "mse@8", "mse@16", "jsd@8", "cached")


def time_steps(
    table: str, names: list[str], repeats: int, source: str | None
) -> dict[str, list[list[float]]]:
    """`[wall, cpu]` seconds of each variant's steps, variants taking turns."""
    bench = _workbench(table, repeats + 1, source)
    steps = {name: bench.step(name) for name in names}
    for name in set(names) - SLOW:  # the warm-up builds prefixes and targets
        steps[name](0)
    if "cached" in steps:
        for number in range(1, repeats + 1):
            bench.top(number)
    taken: dict[str, list[list[float]]] = {name: [] for name in names}
    for number in tqdm(range(1, repeats + 1), desc=f"{table}: repeats"):
        for name in names:
            if number == 1 or name not in SLOW:
                begun = time.perf_counter(), time.process_time()
                steps[name](number)
                taken[name].append([time.perf_counter() - begun[0], time.process_time() - begun[1]])
    return taken


def peak_memory(table: str, name: str, source: str | None) -> dict[str, float]:
    """Largest resident GB during one variant's steps in this process, and what was there before."""
    bench = _workbench(table, 2, source)
    step = bench.step(name)
    if name == "cached":
        for number in range(2):
            bench.top(number)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = _resident("VmRSS")
    for number in range(1 if name in SLOW else 2):
        step(number)
    tokens = int((bench.batches[8][1]["labels"] >= 0).sum())
    return {"peak": _resident("VmHWM"), "before": before, "tokens": tokens}


def _workbench(table: str, batches: int, source: str | None) -> Workbench:
    sizes = {name: int(TABLES[table][name]) for name in ("batch_size", "answers")}
    return Workbench(source, batches=batches, **sizes)


def _resident(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**20


def print_table(table: str, taken: dict[str, list[list[float]]], memory: dict[str, dict[str, float]]) -> None:
    """One table of seconds, ratios and memory."""
    print(f"\n### {table}\n\n| variant | s | x SFT | x SFT (cpu) | peak GB | of it for the step | x SFT |")
    print("|---|---|---|---|---|---|---|")
    for name, times in taken.items():
        wall, cpu = (
            statistics.median(
                mine[clock] / sft[clock] for mine, sft in zip(times, taken["sft"], strict=False)
            )
            for clock in (0, 1)
        )
        cells = ["", "", ""]
        if name in memory:
            peak, before = memory[name]["peak"], memory[name]["before"]
            cells = [f"{peak:.2f}", f"{peak - before:.2f}", f"{peak / memory['sft']['peak']:.2f}"]
        seconds = statistics.median(each[0] for each in times)
        print(
            f"| {VARIANTS[name]} | {seconds:.2f} | {wall:.2f} | {cpu:.2f} | {' | '.join(cells)} |", flush=True
        )


def _in_own_process(*options: str) -> Any:
    command = [sys.executable, __file__, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Time all variants of a table in one process, measure memory in one each, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), help="default: all of the table")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", help="hub, sample or a folder; default: ICL_DATA_DIR, else hub")
    parser.add_argument("--no_memory", action="store_true", help="times only")
    parser.add_argument("--here", choices=["time", "memory"], help="one part in this process, as JSON")
    args = parser.parse_args()
    if args.here == "time":
        print(json.dumps(time_steps(args.tables[0], args.variants, args.repeats, args.data)))
        return
    if args.here == "memory":
        print(json.dumps(peak_memory(args.tables[0], args.variants[0], args.data)))
        return
    shared = ["--data", args.data] if args.data else []
    for table in args.tables:
        names = ["sft", *(name for name in TABLES[table]["variants"] if name != "sft")]
        names = [name for name in names if not args.variants or name in {"sft", *args.variants}]
        options = ["--tables", table, *shared]
        times = _in_own_process(
            "--here", "time", "--repeats", str(args.repeats), *options, "--variants", *names
        )
        measured = [name for name in names if name in MEASURED_MEMORY and not args.no_memory]
        memory = {
            name: _in_own_process("--here", "memory", *options, "--variants", name)
            for name in tqdm(measured, desc=f"{table}: memory")
        }
        print_table(table, times, memory)


if __name__ == "__main__":
    main()
