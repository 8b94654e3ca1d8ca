"""Command line of the generator; see `lm_eval_tasks/sample/README.md`."""

import argparse
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.make_sample import csqa, gsm8k, ifeval, mathematics, rlvr

Row = Mapping[str, Any]
DEFAULT_OUTPUT = Path(__file__).resolve().parents[2] / "lm_eval_tasks" / "sample"


def build() -> dict[str, list[Row]]:
    """File name -> rows, for all benchmarks and splits."""
    return {
        **dict(zip(("gsm8k_train.jsonl", "gsm8k_test.jsonl"), gsm8k.build(), strict=True)),
        **dict(zip(("csqa_train.jsonl", "csqa_validation.jsonl"), csqa.build(), strict=True)),
        **dict(zip(("math_train.jsonl", "math_test.jsonl"), mathematics.build(), strict=True)),
        **dict(zip(("ifeval_train.jsonl", "ifeval_test.jsonl"), ifeval.build(), strict=True)),
        "rlvr_train.jsonl": rlvr.build(),
    }


def write_json_lines(path: Path, rows: Iterable[Row]) -> None:
    """Writes `rows` under a temporary name first, so that no half-written file stays behind."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as lines:
        for row in rows:
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    os.replace(temporary, path)


def main() -> None:
    """Parses the arguments and writes the files."""
    parser = argparse.ArgumentParser(prog="python -m scripts.make_sample", description=__doc__)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="folder to write to")
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for name, rows in build().items():
        write_json_lines(output / name, rows)
        print(f"{name}: {len(rows)} rows")


if __name__ == "__main__":
    main()
