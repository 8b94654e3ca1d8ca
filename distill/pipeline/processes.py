"""The processes of a run: they carry its name, so that they are found again, and ended, wherever they are.

A process group would not do: torchrun's workers and vLLM's engine open sessions of their own.
"""

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from lm_eval_tasks.errors import UserError

MARK = "ICL_DISTILL_RUN"
"""Environment variable of every process of a run: the run's folder."""

GRACE = 10.0
"""Seconds that a process has between SIGTERM and SIGKILL."""

PATIENCE = 3.0
"""Seconds that processes of an earlier run, killed a moment ago, have to be gone."""


def start(
    command: Sequence[str], output_dir: Path, *, env: Mapping[str, str], log: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command of a run.

    Args:
        command: Program and arguments.
        output_dir: The run's folder.
        env: Variables beside the current ones.
        log: Where it prints; None: where we print.
    """
    variables = {**os.environ, **env, MARK: str(output_dir.resolve())}
    errors = None if log is None else subprocess.STDOUT
    return subprocess.Popen(command, env=variables, stdout=log, stderr=errors)


def living(output_dir: Path) -> list[psutil.Process]:
    """The processes of the run, our own children and those that an earlier, killed `run` left behind."""
    name = str(output_dir.resolve())
    return [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get(MARK) == name and process.pid != os.getpid()
    ]


def check_alone(output_dir: Path) -> None:
    """See that nothing else writes into the folder; what is just ending gets a moment to do so.

    Raises:
        UserError: processes of a run into the same folder are at work.
    """
    _, found = psutil.wait_procs(living(output_dir), timeout=PATIENCE)
    if found:
        ids = " ".join(str(process.pid) for process in found)
        raise UserError(
            f"{output_dir}: processes of another `icl-distill run` into this folder are still at work. Wait "
            f"for them, or end them (kill {ids}), and give the same command again."
        )


def end_all(output_dir: Path) -> None:
    """End the run's processes: SIGTERM, and SIGKILL to those that are there `GRACE` seconds later."""
    found = living(output_dir)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=GRACE)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=GRACE)
