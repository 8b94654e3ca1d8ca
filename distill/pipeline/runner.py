"""Run stages in order; skip those whose result is up to date; go on where a killed run ended."""

import hashlib
import json
import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from distill.pipeline.stages import Stage
from lm_eval_tasks import __version__
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json

_RECORDS = ".stages"


def run_stages(stages: Sequence[Stage], output_dir: Path, *, force: Sequence[str] = ()) -> None:
    """Run what is not up to date.

    A stage is up to date when its record carries the fingerprint of its command, its input files and the
    stages before it. A stage that was begun with another fingerprint has its old result set aside, never
    mixed with the new one; one that was begun with the same goes on where it ended.

    Raises:
        UserError: a stage failed; everything before it is kept.
    """
    known = [stage.name for stage in stages]
    for name in force:
        if name not in known:
            raise UserError(f"--force {name}: there is no such stage; this run has {', '.join(known)}.")
    records = output_dir / _RECORDS
    records.mkdir(parents=True, exist_ok=True)
    prints: dict[str, str] = {}
    for number, stage in enumerate(stages, start=1):
        prints[stage.name] = fingerprint = stage_fingerprint(stage, prints)
        record = records / f"{stage.name}.json"
        before = json.loads(record.read_text()) if record.is_file() else {}
        same = before.get("fingerprint") == fingerprint and stage.name not in force
        label = f"[{number}/{len(stages)}] {stage.name}"
        if same and before.get("finished") and stage.done_when.exists():
            print(f"{label}: up to date", flush=True)
            continue
        if not same:
            _set_aside(stage.output)
        _run_one(stage, record, fingerprint, label)


def stage_fingerprint(stage: Stage, prints: dict[str, str]) -> str:
    """A digest of everything that decides a stage's result."""
    digest = hashlib.sha256(json.dumps([__version__, stage.command[1:]]).encode())
    for path in stage.inputs:
        if not path.is_file():
            raise UserError(f"{path} does not exist; stage {stage.name} needs it. Mend the run file.")
        digest.update(path.read_bytes())
    for name in stage.after:
        digest.update(prints[name].encode())
    return digest.hexdigest()[:16]


def _run_one(stage: Stage, record: Path, fingerprint: str, label: str) -> None:
    print(f"{label}: {shlex.join(stage.command)}", flush=True)
    entry = {"fingerprint": fingerprint, "command": stage.command, "finished": False}
    write_json(record, entry)
    begun = time.monotonic()
    code = subprocess.run(stage.command, check=False).returncode
    if code != 0:
        raise UserError(
            f"stage {stage.name} ended with exit code {code}; its message stands above. What was "
            "finished before it is kept: mend the cause and give the same command again."
        )
    if not stage.done_when.exists():
        raise UserError(f"stage {stage.name} ended well but did not write {stage.done_when}.")
    seconds = round(time.monotonic() - begun, 1)
    write_json(record, entry | {"finished": True, "seconds": seconds})
    print(f"{label}: done in {seconds:.0f} s", flush=True)


def _set_aside(path: Path) -> None:
    """Rename an old result, so that it is neither lost nor mixed with the new one."""
    if not path.exists():
        return
    number = 1
    while (old := path.with_name(f".{path.name}.replaced-{number}")).exists():
        number += 1
    path.rename(old)
    print(f"an older result is kept as {old}", flush=True)
