"""A folder of cached targets: shards and a manifest that says what they are."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from distill.encoding.token_rows import Row
from distill.model.fingerprints import digest
from distill.teachers.cached.batch import target_batch
from distill.teachers.cached.fingerprint import difference
from distill.teachers.cached.shard import Place, RowTargets, read_index, read_row, row_digest
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json

MANIFEST = "manifest.json"
FORMAT = 1


def shard_path(folder: Path, number: int) -> Path:
    """The file of shard `number`."""
    return folder / f"targets-{number:05d}.safetensors"


def rows_digest(rows: Iterable[Row]) -> str:
    """A digest of which rows there are, in order, and of what the teacher reads of each."""
    return digest([[row["id"], row_digest(row)] for row in rows])


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder, or None if it has none.

    Raises:
        UserError: it is unreadable, or of another version of this format.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version, _ = manifest["format"], manifest["fingerprint"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"teacher_targets: {path} cannot be read ({error!r}). Cache the targets anew."
        ) from None
    if version != FORMAT:
        raise UserError(f"teacher_targets: {path} has format {version}; this version reads format {FORMAT}.")
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write it whole or not at all."""
    write_json(folder / MANIFEST, {"format": FORMAT} | dict(manifest))


class TargetStore:
    """Cached targets, read row by row; nothing is held but where each row stands.

    Attributes:
        folder: Where they are.
        manifest: What they are.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read manifest and indices.

        Raises:
            UserError: the folder is no finished cache, or a shard is missing or damaged.
        """
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        if manifest is None or not manifest["complete"]:
            reason = "has no manifest.json" if manifest is None else "was left unfinished"
            raise UserError(
                f"teacher_targets: {self.folder} {reason}. Run `icl-distill cache-teacher` with the options "
                "of this run; an interrupted one goes on where it was."
            )
        self.manifest = manifest
        self._places: dict[str, Place] = {}
        for number in range(manifest["shards"]):
            self._places |= read_index(shard_path(self.folder, number))

    def check(self, fingerprint: Mapping[str, Any], rows: Iterable[Row]) -> None:
        """Make sure that these are the targets of this run, for every row.

        Raises:
            UserError: a part of the fingerprint differs, or a row is missing or another.
        """
        if differing := difference(self.manifest["fingerprint"], fingerprint):
            raise UserError(
                f"teacher_targets: {self.folder} was made with another {differing}. Give the settings of the "
                "cache, or cache anew into another folder."
            )
        for row in rows:
            self._place(row)

    def check_objective(self, objective: str) -> None:
        """Make sure that an objective can be computed from what was kept.

        Raises:
            UserError: it needs raw logits, and log-probabilities alone were kept.
        """
        if objective == "topk_mse" and not self.manifest["log_normalizer"]:
            raise UserError(
                "objective: topk_mse compares raw logits, and the targets in teacher_targets "
                f"{self.folder} are log-probabilities alone, because they come through the backend "
                f"{self.manifest['backend']!r}. Use objective: topk_kl, or cache with --backend hf."
            )

    def read(self, row: Row) -> RowTargets:
        """The targets of a row.

        Raises:
            UserError: there are none of this very row, or they are damaged.
        """
        return read_row(self._place(row), row["id"])

    def batch(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """The targets of a batch as tensors, see `target_batch`; raises as `read` does."""
        return target_batch([self.read(row) for row in rows])

    def _place(self, row: Row) -> Place:
        place = self._places.get(row["id"])
        if place is None:
            raise UserError(
                f"teacher_targets: {self.folder} has no row {row['id']}; it was made from other rows. Give "
                "the cache's max_train_rows, eval_rows, max_length and seed, or cache anew."
            )
        if place.digest != row_digest(row):
            raise UserError(
                f"teacher_targets: row {row['id']} in {self.folder} was made from another prompt or answer. "
                "Give the settings of the cache, or cache anew into another folder."
            )
        return place
