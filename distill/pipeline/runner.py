"""Run stages in order; skip those whose result is up to date; go on where a killed run ended.

Neighbouring stages that are bound to disjoint devices run at the same time, each into a log of its own.
"""

import contextlib
import hashlib
import json
import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from distill.pipeline.processes import end_all
from distill.pipeline.stage import Stage
from distill.pipeline.wave import Job, run_jobs
from lm_eval_tasks import __version__
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json

_RECORDS = ".stages"


def run_stages(
    stages: Sequence[Stage], output_dir: Path, *, force: Sequence[str] = (), until: str | None = None
) -> None:
    """Run what is not up to date; with `until`, no stage after the one of this name.

    A stage is up to date when its record carries the fingerprint of its command, its input files and the
    stages before it. A stage that was begun with another fingerprint has its old result set aside, never
    mixed with the new one; one that was begun with the same goes on where it ended. When this process is
    interrupted (Ctrl-C, SIGTERM, SIGHUP), every process that it started ends as well.

    Raises:
        UserError: a file that a stage needs is missing, seen before anything runs; or a stage failed, and
            what was finished is kept.
        KeyboardInterrupt: interrupted.
    """
    known = [stage.name for stage in stages]
    for name in force:
        if name not in known:
            raise UserError(f"--force {name}: there is no such stage; this run has {', '.join(known)}.")
    _check_inputs(stages, output_dir)
    (output_dir / _RECORDS).mkdir(parents=True, exist_ok=True)
    prints: dict[str, str] = {}
    number = 0
    with _ends_its_processes(output_dir):
        for wave in waves(stages):
            jobs = []
            for stage in wave:
                number += 1
                prints[stage.name] = stage_fingerprint(stage, prints)
                job = Job(
                    stage, f"[{number}/{len(stages)}] {stage.name}", {"fingerprint": prints[stage.name]}
                )
                if _is_open(job, output_dir, forced=stage.name in force):
                    jobs.append(job)
            failed = run_jobs(jobs, output_dir, lambda job: _record(job, output_dir, finished=True))
            if failed:
                raise UserError(
                    f"{' '.join(failed)} What was finished is kept: mend the cause and give the same command "
                    "again."
                )
            if until in {stage.name for stage in wave}:
                break


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


def stage_fingerprint(stage: Stage, prints: dict[str, str]) -> str:
    """A digest of everything that decides a stage's result; where it runs does not."""
    digest = hashlib.sha256(json.dumps([__version__, stage.command[1:]]).encode())
    for path in stage.inputs:
        digest.update(path.read_bytes())
    for name in stage.after:
        digest.update(prints[name].encode())
    return digest.hexdigest()[:16]


def _check_inputs(stages: Sequence[Stage], output_dir: Path) -> None:
    """See that what the stages read is there, but for what they write themselves."""
    written = output_dir.resolve()
    for stage in stages:
        for path in stage.inputs:
            if not path.is_file() and written not in path.resolve().parents:
                raise UserError(f"{path} does not exist; stage {stage.name} needs it. Mend the run file.")


def _is_open(job: Job, output_dir: Path, *, forced: bool) -> bool:
    """Whether the stage is to run; if so, its record says that it was begun."""
    record = _record_path(job, output_dir)
    before = json.loads(record.read_text()) if record.is_file() else {}
    same = before.get("fingerprint") == job.facts["fingerprint"] and not forced
    if same and before.get("finished") and job.stage.done_when.exists():
        print(f"{job.label}: up to date", flush=True)
        return False
    if not same:
        _set_aside(job.stage.output)
    _record(job, output_dir, finished=False)
    print(f"{job.label}: {shlex.join(job.stage.argv)}", flush=True)
    return True


def _record(job: Job, output_dir: Path, *, finished: bool) -> None:
    entry = job.facts | {"command": job.stage.argv, "finished": finished}
    write_json(_record_path(job, output_dir), entry)


def _record_path(job: Job, output_dir: Path) -> Path:
    return output_dir / _RECORDS / f"{job.stage.name}.json"


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


def _set_aside(path: Path) -> None:
    """Rename an old result, so that it is neither lost nor mixed with the new one."""
    if not path.exists():
        return
    number = 1
    while (old := path.with_name(f".{path.name}.replaced-{number}")).exists():
        number += 1
    path.rename(old)
    print(f"an older result is kept as {old}", flush=True)
