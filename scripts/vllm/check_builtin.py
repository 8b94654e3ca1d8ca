"""The verdicts in `samples_ifeval_*.jsonl` against those of lm-eval's built-in `ifeval` scorer.

python scripts/vllm/check_builtin.py RUN
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.ifeval_reference import load_reference

METRICS = (
    "prompt_level_strict_acc",
    "inst_level_strict_acc",
    "prompt_level_loose_acc",
    "inst_level_loose_acc",
)


def main() -> int:
    """Print the number of equal verdicts; 1 if any differs."""
    checked, different = 0, []
    with tempfile.TemporaryDirectory() as folder:
        reference = load_reference(Path(folder))
        for file in sorted(Path(sys.argv[1]).rglob("samples_ifeval_*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                doc = row["doc"] | {"key": row["doc"]["id"], "kwargs": json.loads(row["doc"]["kwargs"])}
                theirs = reference(doc, row["resps"][0][0])
                checked += 1
                if any(theirs[name] != row[name] for name in METRICS):
                    different.append(f"{file.name} row {row['doc']['id']}")
    equal = checked - len(different)
    print(f"lm-eval's own scorer gives the same four verdicts on {equal} of {checked} answers")
    print(*different, sep="\n")
    return 1 if different or not checked else 0


if __name__ == "__main__":
    raise SystemExit(main())
