"""Real trainers end to end, `train()` of each on the same rows in one run: ours, TRL's, the published recipe.

    ICL_DATA_DIR=... python benchmarks/trainers.py              # short answers
    python benchmarks/trainers.py --answers 6 --batch_size 2    # long answers
    python benchmarks/trainers.py --scale tiny                  # to see that it works: half a minute

Embedded model, float32, LoRA r16 on all linear layers, GSM8K rows. Every trainer runs in a process of its
own; they take turns, repeat by repeat. A ratio is the median over the repeats of the ratio to the unit, SFT
with full logits, within the repeat. See benchmarks/README.md for the columns.
"""

import argparse
import sys
from pathlib import Path

from steps.jobs import UNIT, VARIANTS, Job
from steps.measure import run_jobs
from steps.tables import summarise, trainers_table

from lm_eval_tasks.files import write_json


def main() -> int:
    """Measure, write the JSON, print the table."""
    args = _parse()
    names = [name for name in VARIANTS if name in {UNIT, *(args.variants or VARIANTS)}]
    tiny = args.scale == "tiny"
    jobs = [
        Job(
            variant=name,
            model="tiny" if tiny else "demo",
            tuning=args.tuning,
            batch_size=2 if tiny else args.batch_size,
            steps=1 if tiny else args.steps,
            threads=1 if tiny else args.threads,
            new_tokens=4 if tiny else args.new_tokens,
            data=args.data,
            answers=args.answers,
        )
        for name in names
    ]
    records = run_jobs(jobs, repeats=1 if tiny else args.repeats)
    rows = summarise(records)
    write_json(
        args.output, {"scale": args.scale, "threads": jobs[0].threads, "rows": rows, "records": records}
    )
    print(trainers_table(rows))
    return int(any("failed" in row for row in rows))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", choices=("demo", "tiny"), default="demo")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), help="default: all")
    parser.add_argument("--tuning", choices=("lora", "full"), default="lora")
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--answers", type=int, default=1, help="solutions joined into one answer")
    parser.add_argument(
        "--steps", type=int, default=4, help="timed steps of each repeat, after one that is not"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--new_tokens", type=int, default=128, help="longest answer that a trainer writes")
    parser.add_argument("--data", help="hub, sample or a folder; default: ICL_DATA_DIR, else hub")
    parser.add_argument("--output", type=Path, default=Path("trainers.json"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
