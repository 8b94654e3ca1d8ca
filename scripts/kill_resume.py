"""A run killed during training and during the sweep must end with an uninterrupted run's tables.

    python scripts/kill_resume.py configs/demo.yaml --n_samples 4 --max_steps 4

Runs `icl-distill run` with the given arguments twice: once to the end; once killed with SIGKILL, process
group and all, in the midst of the last training, again when the last sweep's first checkpoint has been
evaluated, then to the end. Every results file without times and dates, every logged answer, every adapter and
the report's tables must be equal.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_TIMED = ("date", "seconds", "tokens_per_second", "train_runtime")
_POLL = 0.02


def main() -> int:
    """Print one line a check; the exit code says whether all hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--work", type=Path, help="folder for both runs; default: a temporary one")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds of training before the kill")
    args, options = parser.parse_known_args()
    work = args.work or Path(tempfile.mkdtemp(prefix="kill_resume."))
    command = [sys.executable, "-m", "distill.cli", "run", str(args.config), *options, "--output_dir"]
    whole, killed = work / "whole", work / "killed"
    subprocess.run([*command, str(whole)], check=True)
    training = training_mark(whole)
    results = sorted(whole.glob("*/results.json"), key=lambda path: path.stat().st_mtime)[-1]
    kills = [
        kill_when(killed / training.relative_to(whole), [*command, str(killed)], args.delay),
        kill_when(killed / results.relative_to(whole), [*command, str(killed)], 0.0),
    ]
    for text in kills:
        print(text, flush=True)
    subprocess.run([*command, str(killed)], check=True)
    checks = compare(whole, killed)
    for holds, text in checks:
        print(f"{'ok  ' if holds else 'FAIL'} {text}")
    return 0 if all(holds for holds, _ in checks) else 1


def training_mark(whole: Path) -> Path:
    """What is there in the midst of the last training: its first checkpoint, if it is not its last too."""
    run = max(whole.glob("*/*/provenance.json"), key=lambda path: path.stat().st_mtime)
    steps = sorted(int(path.name.partition("-")[2]) for path in run.parent.glob("checkpoint-*"))
    return run.parent / f"checkpoint-{steps[0]}" / "trainer_state.json" if len(steps) > 1 else run


def kill_when(path: Path, command: list[str], delay: float) -> str:
    """Start a run, kill its process group `delay` seconds after `path` is there, and say where it was."""
    process = subprocess.Popen(command, start_new_session=True)
    while not path.exists():
        if process.poll() is not None:
            raise SystemExit(f"the run ended with {process.returncode} before {path} was there")
        time.sleep(_POLL)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        raise SystemExit(f"the run was over {delay} s after {path} was there; give a smaller --delay")
    records = [
        read(record) | {"name": record.stem} for record in (folder_of(command) / ".stages").glob("*.json")
    ]
    stages = " and ".join(record["name"] for record in records if not record["finished"])
    return f"killed in {stages}, {delay:.0f} s after {path.relative_to(folder_of(command))} was there"


def folder_of(command: list[str]) -> Path:
    """The run's folder."""
    return Path(command[command.index("--output_dir") + 1])


def compare(whole: Path, killed: Path) -> list[tuple[bool, str]]:
    """Everything that the report's numbers come from, and its tables."""
    found = []
    for path in sorted([*whole.glob("[!.]*/*.json"), *whole.glob("[!.]*/*/divergence.json")]):
        if path.parts[len(whole.parts)] in ("report", "tiny_model"):
            continue
        ours, theirs = (stable(read(folder / path.relative_to(whole)), folder) for folder in (killed, whole))
        found.append((ours == theirs, f"{path.relative_to(whole)} is the same"))
    for pattern in ("*/samples/*/*.jsonl", "*/*/checkpoint-*/adapter_model.safetensors"):
        files, others = ({path.relative_to(run) for path in run.glob(pattern)} for run in (whole, killed))
        same = [
            path for path in files & others if (killed / path).read_bytes() == (whole / path).read_bytes()
        ]
        found.append(
            (
                len(same) == len(files | others) > 0,
                f"{len(same)} of {len(files | others)} files {pattern} are the same",
            )
        )
    ours, theirs = tables(killed), tables(whole)
    found.append((ours == theirs and len(theirs) > 10, f"the report's {len(theirs)} table rows are the same"))
    return found


def stable(value: Any, folder: Path) -> Any:
    """A JSON value without times, and without the run's folder in its paths."""
    if isinstance(value, dict):
        return {name: stable(item, folder) for name, item in value.items() if name not in _TIMED}
    if isinstance(value, list):
        return [stable(item, folder) for item in value]
    return value.replace(str(folder.resolve()), "RUN") if isinstance(value, str) else value


def tables(folder: Path) -> list[str]:
    """The rows of the report's tables."""
    text = (folder / "report" / "report.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if re.match(r"\|", line)]


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
