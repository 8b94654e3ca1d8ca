"""Run stages in order; skip those whose result is up to date; go on where a killed run ended.

Neighbouring stages that are bound to disjoint devices run at the same time, each into a log of its own.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from distill.pipeline.processes import end_all
from distill.pipeline.records import Records, facts, whole_print
from distill.pipeline.stage import Stage
from distill.pipeline.wave import Job, run_jobs
from lm_eval_tasks.errors import UserError


def run_stages(
    stages: Sequence[Stage], output_dir: Path, *, force: Sequence[str] = (), until: str | None = None
) -> None:
    """Run what is not up to date; with `until`, no stage after the one of this name.

    A stage is up to date when its record carries the fingerprint of what it is of and of the stages before
    it. A stage that was begun with another fingerprint has its old result set aside, never mixed with the new
    one; one that was begun with the same goes on where it ended; one that has got further parts does those.
    When this process is interrupted (Ctrl-C, SIGTERM, SIGHUP), every process that it started ends as well.

    Raises:
        UserError: a file that a stage needs is missing, seen before anything runs; or a stage failed: what
            was finished is kept, and the report is written on it.
        KeyboardInterrupt: interrupted.
    """
    known = [stage.name for stage in stages]
    for name in force:
        if name not in known:
            raise UserError(f"--force {name}: there is no such stage; this run has {', '.join(known)}.")
    _check_inputs(stages, output_dir)
    run = _Run(Records(output_dir), output_dir, len(stages), force)
    with _ends_its_processes(output_dir):
        for wave in waves(stages):
            run.wave(wave)
            if until in {stage.name for stage in wave}:
                break
    if until is None:
        run.records.tell_of_replaced()
    if run.failed:
        remedy = "What was finished is kept: mend the cause and give the same command again."
        raise UserError(f"{' '.join(run.failed)} {remedy}")


class _Run:
    """One pass over the stages."""

    def __init__(self, records: Records, output_dir: Path, total: int, force: Sequence[str]) -> None:
        self.records = records
        self.failed: list[str] = []
        self._output_dir = output_dir
        self._total = total
        self._force = force
        self._number = 0
        self._prints: dict[str, str] = {}
        self._stopped = False

    def wave(self, wave: Sequence[Stage]) -> None:
        """Run what is open of it; after a failure, nothing but a report on what is there."""
        jobs = []
        for stage in wave:
            self._number += 1
            if self._stopped and not any(path.exists() for path in stage.report_on):
                continue
            job = self._job(stage)
            if self.records.open(job, forced=stage.name in self._force):
                jobs.append(job)
        failed = run_jobs(jobs, self._output_dir, self._done)
        self.failed += failed.values()
        self._stopped |= any(job.stage.name in failed and not job.stage.optional for job in jobs)

    def _job(self, stage: Stage) -> Job:
        # After a failure, some stages before it have no digest.
        missing = dict.fromkeys(stage.after, "") if self._stopped else {}
        known = missing | self._prints
        found = facts(stage, known)
        self._prints |= found["parts"] | {stage.name: whole_print(found["fingerprint"], found["parts"])}
        return Job(stage, f"[{self._number}/{self._total}] {stage.name}", found)

    def _done(self, job: Job) -> None:
        # A report on half of the results is written again, once they are all there.
        self.records.save(job, finished=not (job.stage.report_on and self.failed))


def waves(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Stages in order, together where they can run at the same time.

    Neighbours run together when each names its devices, no device is named twice and none reads what
    another writes. A stage whose devices overlap with those of the ones before it waits until they end.
    """
    groups: list[list[Stage]] = []
    for stage in stages:
        group = groups[-1] if groups else []
        taken = {device for other in group for device in other.devices}
        beside = stage.devices and all(other.devices for other in group) and taken.isdisjoint(stage.devices)
        if group and beside and not {other.name for other in group} & set(stage.after):
            group.append(stage)
        else:
            groups.append([stage])
    return groups


def _check_inputs(stages: Sequence[Stage], output_dir: Path) -> None:
    """See that what the stages read is there, but for what they write themselves."""
    written = output_dir.resolve()
    for stage in stages:
        for path in stage.inputs:
            if not path.exists() and written not in path.resolve().parents:
                raise UserError(f"{path} does not exist; stage {stage.name} needs it. Mend the run file.")


@contextlib.contextmanager
def _ends_its_processes(output_dir: Path) -> Iterator[None]:
    """Turn signals that ask to end into an interrupt, and leave no process behind."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Ignored under nohup: leave it so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, _interrupt)
    try:
        yield
    except BaseException:
        end_all(output_dir)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
