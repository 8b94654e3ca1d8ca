"""Lines scored in chunks, by one process or several, in constant memory and in order."""

import itertools
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.records import is_repeat, parse_line, read_records
from lm_eval_tasks.scoring.tasks import Judged, Task, make_task

CHUNK_LINES = 200
_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Line:
    """One non-blank line: `row` counts those from 0, `number` counts all from 1; `size` in bytes."""

    row: int
    number: int
    size: int
    text: str


@dataclass(frozen=True, slots=True)
class Scored:
    """What a line came to: its responses' verdicts, or an error and the failure that stands for it."""

    line: int
    row: int
    size: int
    judged: tuple[Judged, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to know; see `make_task`."""

    task: str
    data: Path | None
    first_filter: str | None


def score_lines(lines: Iterable[Line], job: Job, workers: int) -> Iterator[list[Scored]]:
    """Score the lines, chunk by chunk, in their order, whatever the number of workers.

    Raises:
        UserError: the task's data cannot be used.
    """
    chunks = _chunked(lines)
    if workers == 1:
        task = make_task(job.task, job.data)
        for chunk in chunks:
            yield [_score_line(line, task, job) for line in chunk]
        return
    # Spawned, not forked: a fork copies locks that other threads hold. A window instead of `map`, which would
    # read the whole file ahead.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(job,)) as pool:
        window: deque[Future[list[Scored]]] = deque()
        for chunk in chunks:
            window.append(pool.submit(_score_chunk, chunk))
            if len(window) > _AHEAD * workers:
                yield window.popleft().result()
        while window:
            yield window.popleft().result()


def _chunked(lines: Iterable[Line]) -> Iterator[list[Line]]:
    iterator = iter(lines)
    while chunk := list(itertools.islice(iterator, CHUNK_LINES)):
        yield chunk


_worker: tuple[Task, Job]


def _start_worker(job: Job) -> None:
    global _worker  # a pool hands over state to its workers in no other way
    _worker = (make_task(job.task, job.data), job)


def _score_chunk(chunk: list[Line]) -> list[Scored]:
    task, job = _worker
    return [_score_line(line, task, job) for line in chunk]


def _score_line(line: Line, task: Task, job: Job) -> Scored:
    try:
        row = parse_line(line.text)
        if is_repeat(row, job.first_filter):
            return Scored(line.number, line.row, line.size, (), None)
        judged = tuple(task.judge(record) for record in read_records(row))
    except UserError as error:
        message = f"row {line.row} (line {line.number}): {error}"
        return Scored(line.number, line.row, line.size, (task.failed(message),), message)
    return Scored(line.number, line.row, line.size, judged, None)
