"""Command line of the generator; see `lm_eval_tasks/benchmarks/SAMPLE.md` and `configs/orders/README.md`."""

import argparse
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.make_sample import csqa, gsm8k, ifbench, ifeval, mathematics, multi_if, orders, rlvr

Row = Mapping[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path("lm_eval_tasks", "benchmarks")
ORDERS = Path("configs", "orders")


def build() -> dict[str, list[Row]]:
    """File within the benchmarks' folder -> rows, for all benchmarks and splits."""
    gsm8k_files = ("gsm8k/sample/train.jsonl", "gsm8k/sample/test.jsonl")
    csqa_files = ("csqa/sample/train.jsonl", "csqa/sample/validation.jsonl")
    math_files = ("math/sample/train.jsonl", "math/sample/test.jsonl")
    ifeval_files = ("ifeval/sample/train.jsonl", "ifeval/sample/test.jsonl")
    return {
        **dict(zip(gsm8k_files, gsm8k.build(), strict=True)),
        **dict(zip(csqa_files, csqa.build(), strict=True)),
        **dict(zip(math_files, mathematics.build(), strict=True)),
        **dict(zip(ifeval_files, ifeval.build(), strict=True)),
        "ifbench/sample/test.jsonl": ifbench.build(),
        "multi_if/sample/test.jsonl": multi_if.build(),
        "rlvr/sample/train.jsonl": rlvr.build(),
    }


def build_orders() -> dict[str, list[Row]]:
    """File name -> rows of the job that the demo bakes."""
    return dict(zip(("demonstrations.jsonl", "inputs.jsonl", "eval.jsonl"), orders.build(), strict=True))


def write_json_lines(path: Path, rows: Iterable[Row]) -> None:
    """Writes `rows` under a temporary name first, so that no half-written file stays behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as lines:
        for row in rows:
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    os.replace(temporary, path)


def write_all(folder: Path, files: Mapping[str, Sequence[Row]]) -> None:
    """Writes the files of one folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        write_json_lines(folder / name, rows)
        print(f"{folder.name}/{name}: {len(rows)} rows")


def main() -> None:
    """Parses the arguments and writes the files."""
    parser = argparse.ArgumentParser(prog="python -m scripts.make_sample", description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="folder to write to, as the repository's root"
    )
    root: Path = parser.parse_args().root
    write_all(root / SAMPLE, build())
    write_all(root / ORDERS, build_orders())


if __name__ == "__main__":
    main()
