"""Lines scored in chunks, by one process or several, in constant memory and in order."""

import itertools
import logging
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scorefile.judging import Judge, Judged
from lm_eval_tasks.scorefile.records import is_repeat, parse_line, read_records

logger = logging.getLogger(__name__)

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
    """What a worker needs to know.

    Attributes:
        make_judge: Builds what judges; it can be pickled.
        first_filter: See `is_repeat`.
    """

    make_judge: Callable[[], Judge]
    first_filter: str | None


def score_lines(lines: Iterable[Line], job: Job, workers: int) -> Iterator[list[Scored]]:
    """Score the lines, chunk by chunk, in their order, whatever the number of workers.

    Raises:
        UserError: the judge's data cannot be used.
    """
    chunks = _chunked(lines)
    if workers == 1:
        judge = job.make_judge()
        for chunk in chunks:
            yield [_score_line(line, judge, job) for line in chunk]
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


_worker: tuple[Judge, Job]


def _start_worker(job: Job) -> None:
    global _worker  # a pool hands over state to its workers in no other way
    _worker = (job.make_judge(), job)


def _score_chunk(chunk: list[Line]) -> list[Scored]:
    judge, job = _worker
    return [_score_line(line, judge, job) for line in chunk]


def _score_line(line: Line, judge: Judge, job: Job) -> Scored:
    try:
        row = parse_line(line.text)
        if is_repeat(row, job.first_filter):
            return Scored(line.number, line.row, line.size, (), None)
        judged = tuple(judge.judge(record) for record in read_records(row))
    except Exception as error:  # whatever one row does to a scorer
        reason = str(error) if isinstance(error, UserError) else f"breaks the scorer ({error!r:.200})."
        if not isinstance(error, UserError):
            logger.error("row %d (line %d)", line.row, line.number, exc_info=True)
        message = f"row {line.row} (line {line.number}): {reason}"
        return Scored(line.number, line.row, line.size, (judge.failed(message),), message)
    return Scored(line.number, line.row, line.size, judged, None)
