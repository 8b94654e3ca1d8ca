"""Cached targets of a batch, and what stands in a teacher's place when they are read."""

from collections.abc import Sequence

import numpy as np
import torch

from distill.objectives.divergences import TopK
from distill.teachers.cached.shard import RowTargets

NAMES = ("target_indices", "target_log_probs", "target_tail_mass", "target_log_normalizer")


def target_batch(found: Sequence[RowTargets]) -> dict[str, torch.Tensor]:
    """Targets of a batch's N answer tokens, row by row, as small as they were stored.

    Args:
        found: Of each row of the batch, in the batch's order.

    Returns:
        `target_indices` int32 `[N, K]`, `target_log_probs` float16 `[N, K]`, `target_tail_mass` float32 `[N]`
        and, if it is known, `target_log_normalizer` float32 `[N]`.
    """
    # PyTorch can do little with uint16.
    arrays = [np.concatenate([row.indices for row in found]).astype(np.int32)]
    arrays += [np.concatenate([row.log_probs for row in found])]
    arrays += [np.concatenate([row.tail_mass for row in found])]
    normalizers = [row.log_normalizer for row in found if row.log_normalizer is not None]
    if normalizers:
        arrays += [np.concatenate(normalizers)]
    return dict(zip(NAMES, map(torch.from_numpy, arrays), strict=False))


class CachedTeacher:
    """Answers as a `Teacher` does, out of the batch itself: there is no model, and no forward pass."""

    def targets(self, batch: dict[str, torch.Tensor]) -> TopK:
        """The top K of the batch's N answer tokens; see `target_batch`.

        Raw logits are restored as log-probability + normaliser, so that `topk_mse` is the same loss as with a
        live teacher. The kept probabilities are scaled to one minus the tail's stored mass: rounded one by
        one they would not add up to it, and the tail's own error would be as large as the tail.
        """
        logits = batch["target_log_probs"].float()
        if "target_log_normalizer" in batch:
            logits += batch["target_log_normalizer"][:, None]
        almost_all = 1 - torch.finfo(logits.dtype).eps
        kept = torch.log1p(-batch["target_tail_mass"].clamp(max=almost_all))
        return TopK(batch["target_indices"].long(), logits, logits.logsumexp(-1) - kept)
