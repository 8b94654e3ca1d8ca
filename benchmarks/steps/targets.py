"""Cached teacher targets of rows whose teacher was never run: what they say does not change their speed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill.encoding.token_rows import Row
from distill.teachers.cached.shard import RowTargets
from distill.training.caching.build import cache_targets

_TOP_K = 256


class RandomTargets:
    """A backend of `icl-distill cache-teacher` that invents distributions."""

    batch_size = 16

    def __init__(self, vocabulary: int) -> None:
        """Take the number of entries to choose from."""
        self._vocabulary = vocabulary
        self._random = np.random.default_rng(0)

    def score(self, rows: Sequence[Row]) -> list[RowTargets]:
        """Targets of the right shapes and types."""
        return [self._invented(len(row["completion_ids"])) for row in rows]

    def _invented(self, tokens: int) -> RowTargets:
        kept = min(_TOP_K, self._vocabulary)
        indices = np.stack(
            [self._random.choice(self._vocabulary, kept, replace=False, shuffle=False) for _ in range(tokens)]
        )
        log_probs = -np.sort(self._random.uniform(1, 12, (tokens, kept)), axis=1)
        dtype = np.uint16 if self._vocabulary <= 1 << 16 else np.int32
        return RowTargets(
            log_probs.astype(np.float16),
            indices.astype(dtype),
            np.full(tokens, 0.1, np.float32),
            np.full(tokens, 10, np.float32),
        )


def write_targets(rows: Sequence[Row], folder: Path, vocabulary: int) -> None:
    """Fill `folder`, which is read during training as a real cache is."""
    cache_targets(
        rows,
        folder,
        fingerprint={},
        backend="invented",
        load=lambda: RandomTargets(vocabulary),
        log_normalizer=True,
        rows_per_shard=256,
    )
