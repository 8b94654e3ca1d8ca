"""One file of cached targets: the answers of R rows laid end to end, as safetensors.

Notation: T answer tokens of the shard, K entries kept of the teacher's distribution.

| tensor | type | shape | content |
|---|---|---|---|
| `log_probs` | float16 | `[T, K]` | log-probabilities of the K likeliest entries, falling |
| `indices` | uint16 or int32 | `[T, K]` | those entries; uint16 for vocabularies up to 65,536 |
| `tail_mass` | float32 | `[T]` | probability of all other entries together |
| `log_normalizer` | float32 | `[T]` | log-sum-exp of the raw logits; absent if they were unknown |
| `offsets` | int64 | `[R + 1]` | where each row's answer begins |
| `row_digests` | uint64 | `[R]` | see `row_digest` |
| `checksums` | uint32 | `[R]` | CRC-32 of the row's part of the first four |

The header's metadata holds the rows' ids. Log-probabilities are near 0 where they matter, so float16 serves
them; of raw logits, which reach 40, it would round off several hundredths.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from distill.encoding.token_rows import Row
from lm_eval_tasks.errors import UserError

_ROW_TENSORS = ("log_probs", "indices", "tail_mass", "log_normalizer")
_UINT16_ENTRIES = 1 << 16


class RowTargets(NamedTuple):
    """What a teacher predicts at the A answer tokens of one row.

    Attributes:
        log_probs: `[A, K]` float16, falling.
        indices: `[A, K]` uint16 or int32.
        tail_mass: `[A]` float32.
        log_normalizer: `[A]` float32, or None if raw logits are unknown.
    """

    log_probs: np.ndarray
    indices: np.ndarray
    tail_mass: np.ndarray
    log_normalizer: np.ndarray | None

    def checksum(self) -> int:
        """CRC-32 of all values."""
        code = 0
        for values in self:
            if values is not None:
                code = zlib.crc32(values.tobytes(), code)
        return code


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row's targets stand.

    Attributes:
        path: The shard.
        begin: First answer token.
        end: Behind the last one.
        digest: Of the row that the targets were made from.
        checksum: Of the targets.
    """

    path: Path
    begin: int
    end: int
    digest: int
    checksum: int


def index_dtype(vocab_size: int) -> type[np.generic]:
    """The smallest type of `indices` that holds every entry."""
    return np.uint16 if vocab_size <= _UINT16_ENTRIES else np.int32


def row_digest(row: Row) -> int:
    """64 bits that change with the teacher's prompt or the answer."""
    sha = hashlib.blake2b(digest_size=8)
    for ids in (row["teacher_prompt_ids"], row["completion_ids"]):
        sha.update(len(ids).to_bytes(8, "little"))
        sha.update(np.asarray(ids, dtype=np.int64).tobytes())
    return int.from_bytes(sha.digest(), "little")


def write_shard(path: Path, rows: Sequence[Row], targets: Sequence[RowTargets]) -> None:
    """Write the targets of `rows` under a temporary name, then rename.

    Raises:
        UserError: the teacher's figures are not finite, or the file cannot be written.
    """
    for row, found in zip(rows, targets, strict=True):
        if not all(np.isfinite(values).all() for values in found if values is not None):
            raise UserError(
                f"row {row['id']}: the teacher's log-probabilities are not finite. Run it in bfloat16 or "
                "float32 (dtype)."
            )
    tensors = {
        name: np.concatenate([getattr(found, name) for found in targets])
        for name in _ROW_TENSORS
        if getattr(targets[0], name) is not None
    }
    lengths = [len(found.tail_mass) for found in targets]
    tensors["offsets"] = np.cumsum([0, *lengths], dtype=np.int64)
    tensors["row_digests"] = np.array([row_digest(row) for row in rows], dtype=np.uint64)
    tensors["checksums"] = np.array([found.checksum() for found in targets], dtype=np.uint32)
    # The same temporary name each time: what a killed process left is overwritten.
    temporary = path.with_name(f".{path.name}.part")
    try:
        # One key only: the order of several would differ from run to run.
        save_file(tensors, temporary, metadata={"ids": json.dumps([row["id"] for row in rows])})
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"cannot write {path} ({error}). Free some space and run it again.") from None


def read_index(path: Path) -> dict[str, Place]:
    """Where each row of a shard stands, by its id.

    Raises:
        UserError: the shard is missing or damaged.
    """
    try:
        with safe_open(path, "np") as file:
            ids = json.loads(file.metadata()["ids"])
            offsets, digests, checksums = (
                file.get_tensor(name).tolist() for name in ("offsets", "row_digests", "checksums")
            )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from None
    return {
        id: Place(path, *figures)
        for id, *figures in zip(ids, offsets[:-1], offsets[1:], digests, checksums, strict=True)
    }


def read_row(place: Place, id: str) -> RowTargets:
    """One row's targets; of the memory-mapped file only they are read.

    Raises:
        UserError: they are not what was written.
    """
    try:
        with safe_open(place.path, "np") as file:
            known = "log_normalizer" in file.keys()  # noqa: SIM118 (no mapping)
            found = RowTargets(
                log_probs=_slice(file, "log_probs", place),
                indices=_slice(file, "indices", place),
                tail_mass=_slice(file, "tail_mass", place),
                log_normalizer=_slice(file, "log_normalizer", place) if known else None,
            )
    except (OSError, SafetensorError) as error:
        raise damaged(place.path, str(error)) from None
    if found.checksum() != place.checksum:
        raise damaged(place.path, f"the checksum of row {id} is wrong")
    return found


def read_tail_mass(path: Path) -> np.ndarray:
    """`tail_mass` `[T]` of a shard."""
    with safe_open(path, "np") as file:
        return file.get_tensor("tail_mass")


def damaged(path: Path, reason: str) -> UserError:
    """The error that says how to make a shard anew."""
    return UserError(
        f"teacher_targets: {path} is missing or damaged ({reason}). Delete it and run `icl-distill "
        "cache-teacher` as before: it makes what is missing and nothing else."
    )


def _slice(file: Any, name: str, place: Place) -> np.ndarray:
    return file.get_slice(name)[place.begin : place.end]
