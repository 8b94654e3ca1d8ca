"""What is known of a run's stages: done, begun, or of something else by now."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.pipeline.meaning import fingerprint
from distill.pipeline.stage import Part, Stage
from distill.pipeline.wave import Job
from lm_eval_tasks.files import write_json

RECORDS = ".stages"
REPLACED = ".replaced"
"""Folder of results that others have taken the place of, in folders 1, 2, ... laid out as the run's."""


def stage_prints(stage: Stage, before: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Digests of what decides a stage's result, and that of each of its parts; where it runs does not.

    Args:
        stage: The stage.
        before: The digests of the stages and parts before it, by name.
    """
    meaning = stage.meaning
    if meaning is None:
        meaning = {"command": stage.command[1:], "files": stage.inputs}
    own = fingerprint(meaning, [before[name] for name in stage.after])
    return own, {part.name: _part_print(part, before) for part in stage.parts}


def whole_print(own: str, parts: Mapping[str, str]) -> str:
    """One digest of a stage and its parts, whatever their order."""
    return fingerprint({"stage": own, "parts": parts}) if parts else own


def _part_print(part: Part, before: Mapping[str, str]) -> str:
    return fingerprint(part.meaning, [before[name] for name in part.after])


class Records:
    """The records of a run: one file a stage.

    A record holds `fingerprint` and `parts` (digests by name), `finished`, `command` and `seconds`.
    """

    def __init__(self, output_dir: Path) -> None:
        """Of the run in `output_dir`, which is made."""
        self._dir = output_dir
        self._aside: Path | None = None
        (output_dir / RECORDS).mkdir(parents=True, exist_ok=True)

    def open(self, job: Job, *, forced: bool) -> bool:
        """Whether the stage is to run; if so, what is outdated is set aside, and its record says: begun."""
        stage, now = job.stage, job.facts
        path = self._path(job)
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        old, new = before.get("parts", {}), now["parts"]
        same = before.get("fingerprint") == now["fingerprint"] and not forced
        if same and before.get("finished") and _covers(stage, old, new) and _all_there(stage):
            print(f"{job.label}: up to date", flush=True)
            return False
        if not same or (stage.shares_output and not old.items() <= new.items()):
            self._set_aside(stage.output, *stage.beside)
        elif not stage.shares_output:
            changed = [part for part in stage.parts if old.get(part.name) != new[part.name]]
            self._set_aside(*(part.output for part in changed))
            # What is left out now keeps its folder, and is known when it comes back.
            now["parts"] = old | new
        self.save(job, finished=False)
        print(f"{job.label}: {shlex.join(job.stage.argv)}", flush=True)
        return True

    def save(self, job: Job, *, finished: bool) -> None:
        """Write a stage's record."""
        write_json(self._path(job), job.facts | {"command": job.stage.argv, "finished": finished})

    def tell_of_replaced(self) -> None:
        """Say where older results are, and how large."""
        folder = self._dir / REPLACED
        if folder.is_dir():
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            told = f"older results are kept in {folder} ({size / 1e6:.0f} MB)"
            print(f"{told}; remove it if you need none of them", flush=True)

    def _path(self, job: Job) -> Path:
        return self._dir / RECORDS / f"{job.stage.name}.json"

    def _set_aside(self, *paths: Path) -> None:
        """Move old results, so that they are neither lost nor mixed with the new ones."""
        for path in (path for path in paths if path.exists()):
            if self._aside is None or (self._aside / self._place(path)).exists():
                number = 1
                while (self._dir / REPLACED / str(number)).exists():
                    number += 1
                self._aside = self._dir / REPLACED / str(number)
            old = self._aside / self._place(path)
            old.parent.mkdir(parents=True, exist_ok=True)
            path.rename(old)
            print(f"an older result is kept as {old}", flush=True)

    def _place(self, path: Path) -> Path:
        return path.relative_to(self._dir) if path.is_relative_to(self._dir) else Path(path.name)


def _covers(stage: Stage, old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether all parts are done; a file for all must hold no other ones."""
    return old == new if stage.shares_output else new.items() <= old.items()


def _all_there(stage: Stage) -> bool:
    return all(path.exists() for path in (stage.done_when, *(part.done_when for part in stage.parts)))


def facts(stage: Stage, before: Mapping[str, str]) -> dict[str, Any]:
    """What a record says of a stage before it runs."""
    own, parts = stage_prints(stage, before)
    return {"fingerprint": own, "parts": parts}
