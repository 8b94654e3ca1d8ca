"""The processes of a run: they carry its name, so that they are found again, and ended, wherever they are.

A process group would not do: torchrun's workers and vLLM's engine open sessions of their own.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil
from filelock import FileLock, Timeout

from lm_eval_tasks.errors import UserError

MARK = "ICL_DISTILL_RUN"
"""Environment variable of every process of a run: the run's folder."""

GRACE = 10.0
"""Seconds that a process has between SIGTERM and SIGKILL."""

PATIENCE = 3.0
"""Seconds that processes of an earlier run, killed a moment ago, have to be gone."""

KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**33)}
"""glibc keeps what was freed; else the kernel zeroes the memory of every large tensor anew (mallopt(3))."""

LOCK = Path(".stages") / "lock"
"""File in a run's folder that the process of the run has locked."""


def start(
    command: Sequence[str], output_dir: Path, *, env: Mapping[str, str], log: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command of a run.

    Args:
        command: Program and arguments.
        output_dir: The run's folder.
        env: Variables beside the current ones, which go before `KEPT_MEMORY`.
        log: Where it prints; None: where we print.
    """
    variables = {**KEPT_MEMORY, **os.environ, **env, MARK: str(output_dir.resolve())}
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


@contextlib.contextmanager
def alone(output_dir: Path) -> Iterator[None]:
    """See, from before the first file is written, that nothing else writes into the folder.

    The lock goes with this process, however it ends; what an earlier one left behind is looked for by its
    mark. What is just ending gets a moment to do so.

    Raises:
        UserError: a run into the same folder is at work, or the folder cannot be made or written.
    """
    path = output_dir / LOCK
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise UserError(
            f"{output_dir}: another `icl-distill run` into this folder is still at work. Wait for it, or "
            "end it, and give the same command again."
        ) from None
    except OSError as error:
        raise UserError(
            f"output_dir: {output_dir} cannot be written ({error.strerror}). Name another folder with "
            "--output_dir (of a bake: --output)."
        ) from None
    try:
        _check_none_left(output_dir)
        yield
    finally:
        lock.release()


def _check_none_left(output_dir: Path) -> None:
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
