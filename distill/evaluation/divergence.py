"""`divergence.json`: what a training run measured on its held-out rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lm_eval_tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class Divergence:
    """KL(teacher || student) on held-out rows, by training step; step 0 is the untrained model.

    Attributes:
        means: By step, in their order: per answer token, in nats.
        rows: Each row's id and number of answer tokens; empty in files of earlier versions.
        sums: By step: each row's KL, summed over its answer tokens; those of earlier versions are missing.
    """

    means: Mapping[int, float] = field(default_factory=dict)
    rows: Sequence[tuple[str, int]] = ()
    sums: Mapping[int, Sequence[float]] = field(default_factory=dict)


def read_divergence(folder: Path) -> Divergence:
    """What was measured; nothing where there is no file.

    Args:
        folder: The condition's.

    Raises:
        UserError: the file is not readable as JSON, or a step has not one figure per row.
    """
    path = folder / "divergence.json"
    if not path.is_file():
        return Divergence()
    try:
        content = dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UserError(f"{path} is not readable as JSON ({error}). Remove it, or train again.") from None
    named = content.get("rows", {"id": [], "tokens": []})
    rows = tuple(zip(named["id"], named["tokens"], strict=True))
    steps: list[tuple[str, Any]] = sorted(content.get("steps", {}).items(), key=lambda item: int(item[0]))
    sums = {int(step): found["kl_teacher_rows"] for step, found in steps if "kl_teacher_rows" in found}
    for step, values in sums.items():
        if len(values) != len(rows):
            raise UserError(
                f"{path}: step {step} has {len(values)} figures in kl_teacher_rows, and rows names "
                f"{len(rows)}. Remove it, or train again."
            )
    return Divergence({int(step): found["kl_teacher"] for step, found in steps}, rows, sums)
