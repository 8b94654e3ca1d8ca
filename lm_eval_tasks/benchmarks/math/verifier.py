"""math-verify at arm's length: in a process that can be killed.

Symbolic comparison may hang, and math-verify's own timeouts do not always end it (Math-Verify#65). Here a
worker process compares; one that exceeds the limit dies and is replaced. The limit is of the worker's own
processor time, so that a verdict does not depend on what else the machine has to do.
"""

import atexit
import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

TIME_LIMIT_S = 5
"""Processor seconds that one comparison may take, to the second; its worker ends itself."""
_PATIENCE = 20 if importlib.util.find_spec("resource") else 1
"""Wall-clock seconds for each of them until the worker is killed: it sleeps, or cannot measure (Windows)."""
START_LIMIT_S = 120.0
_WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of one comparison.

    Attributes:
        equal: Whether both expressions mean the same.
        timed_out: Whether the worker came to its limit, or died; `equal` is False then.
    """

    equal: bool
    timed_out: bool = False


class Verifier:
    """One worker process, started at the first comparison and kept for the next ones.

    Safe to share between threads, which take turns. A forked child starts a worker of its own.
    """

    def __init__(self, time_limit: int = TIME_LIMIT_S) -> None:
        """Nothing starts yet; `time_limit` is in processor seconds."""
        self._time_limit = time_limit
        self._turn = threading.Lock()
        self._worker: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._owner = 0

    def compare(self, target: str, answer: str) -> Comparison:
        """Whether the LaTeX expressions `target` (the gold one) and `answer` are equal.

        Raises:
            RuntimeError: the worker cannot be started.
        """
        with self._turn:
            worker = self._running()
            assert worker.stdin is not None  # opened as a pipe
            try:
                worker.stdin.write(json.dumps([target, answer]) + "\n")
                worker.stdin.flush()
                line = self._answers.get(timeout=self._time_limit * _PATIENCE)
            except (queue.Empty, OSError):
                line = None
            if line is None:
                self._stop()
                return Comparison(equal=False, timed_out=True)
            return Comparison(equal=json.loads(line))

    def close(self) -> None:
        """End the worker; a further comparison starts another."""
        with self._turn:
            self._stop()

    def _running(self) -> "subprocess.Popen[str]":
        if self._worker is None or self._owner != os.getpid():
            self._worker = self._start()
            self._owner = os.getpid()
        return self._worker

    def _start(self) -> "subprocess.Popen[str]":
        worker = subprocess.Popen(
            # -P: the script's folder has modules named like the standard library's.
            [sys.executable, "-P", str(_WORKER), str(self._time_limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            # sympy's verdicts can depend on the order of sets.
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        self._answers = queue.Queue()
        threading.Thread(target=_forward, args=(worker.stdout, self._answers), daemon=True).start()
        try:
            ready = self._answers.get(timeout=START_LIMIT_S)
        except queue.Empty:
            ready = None
        if ready is None or json.loads(ready) is not None:
            worker.kill()
            raise RuntimeError(f"the MATH verifier does not start: {ready or 'no sign of life'}")
        return worker

    def _stop(self) -> None:
        if self._worker is not None and self._owner == os.getpid():
            self._worker.kill()
            self._worker.wait()
        self._worker = None


def _forward(lines: IO[str], answers: "queue.Queue[str | None]") -> None:
    """Pass lines on as they come, and None at their end; a thread, since pipes have no timeout everywhere."""
    for line in lines:
        answers.put(line)
    answers.put(None)


@lru_cache(maxsize=1)
def _shared() -> Verifier:
    verifier = Verifier()
    atexit.register(verifier.close)
    return verifier


@lru_cache(maxsize=1 << 14)
def compare(target: str, answer: str) -> Comparison:
    """`Verifier.compare` with this process's own worker; outcomes, time-outs included, are remembered."""
    return _shared().compare(target, answer)
