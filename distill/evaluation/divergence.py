"""`divergence.json`: what a training run measured on its held-out rows."""

import json
from pathlib import Path

from lm_eval_tasks.errors import UserError


def read_divergence(folder: Path) -> dict[int, dict[str, float]]:
    """The figures of each step, in their order; empty where none was measured.

    Args:
        folder: The condition's.

    Raises:
        UserError: the file is not readable as JSON.
    """
    path = folder / "divergence.json"
    if not path.is_file():
        return {}
    try:
        steps = dict(json.loads(path.read_text(encoding="utf-8"))).get("steps", {})
    except ValueError as error:
        raise UserError(f"{path} is not readable as JSON ({error}). Remove it, or train again.") from None
    return {int(step): figures for step, figures in sorted(steps.items(), key=lambda item: int(item[0]))}
