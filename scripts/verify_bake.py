"""Run the command that a bake has stored, with lm-eval's own program, and compare the score:

    python scripts/verify_bake.py runs/demo/orders [--moved_from OLD_FOLDER]

The command is started in another directory. With `--moved_from`, the folder's old name in it is replaced.
"""  # noqa: D415 (the command ends the first sentence)

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """0 if the harness gives the stored score."""
    parser = argparse.ArgumentParser(description="Compare a bake's score with that of its stored command.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--moved_from", type=Path)
    args = parser.parse_args()
    outcome = json.loads((args.folder / "bake.json").read_text(encoding="utf-8"))
    command = outcome["lm_eval_command"]
    if args.moved_from:
        command = command.replace(str(args.moved_from.resolve()), str(args.folder.resolve()))
    program, *words = shlex.split(command)
    assert program == "lm_eval", command
    with tempfile.TemporaryDirectory() as elsewhere:
        subprocess.run([sys.executable, "-m", "lm_eval", *words], cwd=elsewhere, check=True)
    results = max((args.folder / "lm_eval").rglob("results_*.json"), key=lambda path: path.stat().st_mtime)
    (task,) = json.loads(results.read_text(encoding="utf-8"))["results"].values()
    found = next(value for name, value in task.items() if name.startswith(f"{outcome['metric']},"))
    same = abs(found - outcome["baked"]["score"]) < 1e-9
    print(f"{'ok  ' if same else 'FAIL'} lm_eval {found:.4f}, bake.json {outcome['baked']['score']:.4f}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
