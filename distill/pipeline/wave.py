"""Run one stage in the foreground, or several side by side with a log each."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.pipeline.processes import start
from distill.pipeline.stage import Stage

LOGS = "logs"
TOLD_EVERY = 30.0
"""Seconds between two progress lines of stages that run side by side."""

_POLL = 0.1
_TAIL_BYTES = 4096
_SHOWN_LINES = 12
_SHOWN_CHARACTERS = 100


@dataclass(slots=True)
class Job:
    """A stage that is to run.

    Attributes:
        stage: The stage.
        label: Such as `[2/9] train-gsm8k-baseline`.
        facts: What its record says about it; `seconds` is added here.
    """

    stage: Stage
    label: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    log: Path | None
    begun: float

    def seconds(self) -> float:
        return time.monotonic() - self.begun


def run_jobs(jobs: Sequence[Job], output_dir: Path, on_done: Callable[[Job], None]) -> dict[str, str]:
    """Run jobs at the same time; one that fails lets the others finish.

    Args:
        jobs: A single one prints where we print; of several, each prints into `logs/<stage>.log`.
        output_dir: The run's folder.
        on_done: Called for each that ended well, at once.

    Returns:
        By stage, a sentence for each that failed.
    """
    running = [_start(job, output_dir, own_log=len(jobs) > 1) for job in jobs]
    failed: dict[str, str] = {}
    told = time.monotonic()
    while running:
        for one in [one for one in running if one.process.poll() is not None]:
            running.remove(one)
            if problem := _problem(one):
                failed[one.job.stage.name] = problem
                print(f"{one.job.label}: FAILED", flush=True)
                continue
            one.job.facts["seconds"] = round(one.seconds(), 1)
            on_done(one.job)
            print(f"{one.job.label}: done in {one.seconds():.0f} s", flush=True)
        if len(jobs) > 1 and time.monotonic() - told > TOLD_EVERY:
            told = time.monotonic()
            for one in running:
                print(f"{one.job.label}: {one.seconds():.0f} s: {_last_line(one.log)}", flush=True)
        time.sleep(_POLL)
    return failed


def _start(job: Job, output_dir: Path, *, own_log: bool) -> _Running:
    begun = time.monotonic()
    if not own_log:
        return _Running(job, start(job.stage.argv, output_dir, env=job.stage.env), None, begun)
    log = output_dir / LOGS / f"{job.stage.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"{job.label}: its output goes to {log}", flush=True)
    with log.open("ab") as file:  # the process keeps it open
        return _Running(job, start(job.stage.argv, output_dir, env=job.stage.env, log=file), log, begun)


def _problem(ended: _Running) -> str | None:
    stage, code = ended.job.stage, ended.process.returncode
    if code == 0:
        if stage.done_when.exists():
            return None
        return f"stage {stage.name} ended well but did not write {stage.done_when}."
    if ended.log is None:
        return f"stage {stage.name} ended with exit code {code}; its message stands above."
    last = "\n".join(_tail(ended.log)[-_SHOWN_LINES:])
    return f"stage {stage.name} ended with exit code {code}; its log {ended.log} ends with:\n{last}\n"


def _last_line(log: Path | None) -> str:
    lines = _tail(log) if log else []
    return lines[-1][:_SHOWN_CHARACTERS] if lines else "nothing printed yet"


def _tail(log: Path) -> list[str]:
    """The last lines of a log; of a progress bar, what it showed last."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return [shown for line in text.split("\n") if (shown := line.rstrip("\r").rpartition("\r")[2].strip())]
