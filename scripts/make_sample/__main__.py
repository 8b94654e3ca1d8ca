"""Command line of the generator; see `lm_eval_tasks/sample/README.md` and `configs/orders/README.md`."""

import argparse
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.make_sample import csqa, gsm8k, ifeval, mathematics, orders, rlvr

Row = Mapping[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path("lm_eval_tasks", "sample")
ORDERS = Path("configs", "orders")
DEFAULT_OUTPUT = ROOT / SAMPLE


def build() -> dict[str, list[Row]]:
    """File name -> rows, for all benchmarks and splits."""
    return {
        **dict(zip(("gsm8k_train.jsonl", "gsm8k_test.jsonl"), gsm8k.build(), strict=True)),
        **dict(zip(("csqa_train.jsonl", "csqa_validation.jsonl"), csqa.build(), strict=True)),
        **dict(zip(("math_train.jsonl", "math_test.jsonl"), mathematics.build(), strict=True)),
        **dict(zip(("ifeval_train.jsonl", "ifeval_test.jsonl"), ifeval.build(), strict=True)),
        "rlvr_train.jsonl": rlvr.build(),
    }


def build_orders() -> dict[str, list[Row]]:
    """File name -> rows of the job that the demo bakes."""
    return dict(zip(("demonstrations.jsonl", "inputs.jsonl", "eval.jsonl"), orders.build(), strict=True))


def write_json_lines(path: Path, rows: Iterable[Row]) -> None:
    """Writes `rows` under a temporary name first, so that no half-written file stays behind."""
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
