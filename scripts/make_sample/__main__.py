"""Command line of the generator; see `lm_eval_tasks/benchmarks/SAMPLE.md`."""

import argparse
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.make_sample import csqa, gsm8k, ifeval, mathematics, rlvr

Row = Mapping[str, Any]
DEFAULT_OUTPUT = Path(__file__).resolve().parents[2] / "lm_eval_tasks" / "benchmarks"


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
        "rlvr/sample/train.jsonl": rlvr.build(),
    }


def write_json_lines(path: Path, rows: Iterable[Row]) -> None:
    """Writes `rows` under a temporary name first, so that no half-written file stays behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
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
    for name, rows in build().items():
        write_json_lines(output / name, rows)
        print(f"{name}: {len(rows)} rows")


if __name__ == "__main__":
    main()
