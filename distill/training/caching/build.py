"""Runs the teacher once over all training rows, shard by shard; an interrupted run goes on."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from accelerate import PartialState
from tqdm import tqdm

from distill.encoding.token_rows import Row
from distill.model.fingerprints import versions
from distill.teachers.cached.fingerprint import difference
from distill.teachers.cached.shard import RowTargets, read_index, read_tail_mass, write_shard
from distill.teachers.cached.store import read_manifest, rows_digest, shard_path, write_manifest
from lm_eval_tasks.errors import UserError

_REMADE = ("backend", "rows_per_shard", "rows")


class Backend(Protocol):
    """A teacher that has been loaded.

    Attributes:
        batch_size: Rows that it takes at once.
    """

    batch_size: int

    def score(self, rows: Sequence[Row]) -> list[RowTargets]:
        """The targets of `rows`, in their order."""
        ...


def cache_targets(
    rows: Sequence[Row],
    folder: Path,
    *,
    fingerprint: Mapping[str, Any],
    backend: str,
    load: Callable[[], Backend],
    log_normalizer: bool,
    rows_per_shard: int,
) -> dict[str, Any]:
    """Write what is missing of `rows`' targets to `folder`; several processes share the shards.

    Args:
        rows: All training rows.
        folder: A new one, or one that an interrupted run of the same settings has left.
        fingerprint: Of the run, see `target_fingerprint`.
        backend: Its name.
        load: Makes it; not called if nothing is missing.
        log_normalizer: Whether it knows raw logits.
        rows_per_shard: Rows of a file, and at most what an interruption loses per process.

    Returns:
        The manifest.

    Raises:
        UserError: the folder holds something else, or a file cannot be written.
    """
    state = PartialState()
    # Rows of like length share a batch, so that little is padding.
    rows = sorted(
        rows, key=lambda row: (len(row["teacher_prompt_ids"]) + len(row["completion_ids"]), row["id"])
    )
    shards = math.ceil(len(rows) / rows_per_shard)
    plan = {
        "complete": False,
        "fingerprint": dict(fingerprint),
        "backend": backend,
        "rows_per_shard": rows_per_shard,
        "rows": len(rows),
        "rows_digest": rows_digest(rows),
        "shards": shards,
        "log_normalizer": log_normalizer,
    }
    _check_folder(folder, plan)
    if state.is_main_process and read_manifest(folder) is None:
        write_manifest(folder, plan)
    state.wait_for_everyone()
    missing = [number for number in range(shards) if not _whole(shard_path(folder, number))]
    # By number, not by place in the list: another process may have written one before this one looked.
    mine = [number for number in missing if number % state.num_processes == state.process_index]
    _write(rows, folder, mine, load, rows_per_shard, done=len(rows) - _count(missing, rows, rows_per_shard))
    state.wait_for_everyone()
    manifest = plan | _figures(folder, shards) | {"complete": True, "versions": versions()}
    if state.is_main_process:
        write_manifest(folder, manifest)
    return manifest


def _check_folder(folder: Path, plan: Mapping[str, Any]) -> None:
    manifest = read_manifest(folder)
    if manifest is None:
        if next(folder.glob("*.safetensors"), None) is not None:
            raise UserError(f"teacher_targets: {folder} holds files of something else; name a new folder.")
        return
    differing = difference(manifest["fingerprint"], plan["fingerprint"]) or difference(
        manifest, {name: plan[name] for name in (*_REMADE, "rows_digest")}
    )
    if differing:
        raise UserError(
            f"teacher_targets: {folder} holds targets of another {differing}. Give the same settings to go "
            "on with them, or another folder."
        )


def _whole(path: Path) -> bool:
    """Whether a shard can be read; training checks each row's sum besides."""
    try:
        read_index(path)
    except UserError:
        return False
    return True


def _write(
    rows: Sequence[Row],
    folder: Path,
    numbers: Sequence[int],
    load: Callable[[], Backend],
    rows_per_shard: int,
    *,
    done: int,
) -> None:
    if not numbers:
        return
    state = PartialState()
    teacher = load()
    with tqdm(
        total=len(rows), initial=done, desc="teacher", unit="row", disable=not state.is_main_process
    ) as bar:
        for number in numbers:
            members = rows[number * rows_per_shard : (number + 1) * rows_per_shard]
            found: list[RowTargets] = []
            for start in range(0, len(members), teacher.batch_size):
                batch = members[start : start + teacher.batch_size]
                found += teacher.score(batch)
                bar.update(min(len(batch) * state.num_processes, len(rows) - bar.n))
            write_shard(shard_path(folder, number), members, found)


def _count(numbers: Sequence[int], rows: Sequence[Row], rows_per_shard: int) -> int:
    """Rows in those shards."""
    return sum(min(rows_per_shard, len(rows) - number * rows_per_shard) for number in numbers)


def _figures(folder: Path, shards: int) -> dict[str, Any]:
    """Size, and how much of the teacher's distribution was left out."""
    paths = [shard_path(folder, number) for number in range(shards)]
    tails = np.concatenate([read_tail_mass(path) for path in paths])
    size = sum(path.stat().st_size for path in paths)
    return {
        "answer_tokens": len(tails),
        "bytes": size,
        "mean_tail_mass": round(float(tails.mean()), 6),
        "max_tail_mass": round(float(tails.max()), 6),
    }
