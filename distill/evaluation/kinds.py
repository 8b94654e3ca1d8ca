"""Which kind of training a condition is, as its `provenance.json` says."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lm_eval_tasks.errors import UserError

SFT, DISTILLED = "sft", "distilled"
_BY_TRAINER = {"SFTTrainer": SFT, "ICLDistillTrainer": DISTILLED}


def kind_by(provenance: Mapping[str, Any]) -> str | None:
    """`sft` or `distilled`; None of another trainer, or without provenance."""
    return _BY_TRAINER.get(str(provenance.get("trainer")))


def kind_in(folder: Path) -> str | None:
    """The kind of the condition whose checkpoints lie in `folder`; None where nothing says so.

    Raises:
        UserError: its `provenance.json` is not readable as JSON.
    """
    return kind_by(provenance_in(folder))


def provenance_in(folder: Path) -> dict[str, Any]:
    """What a training's folder says of it; empty where it says nothing.

    Raises:
        UserError: its `provenance.json` is not readable as JSON.
    """
    path = folder / "provenance.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is not readable as JSON ({error}). Remove it, or train again.") from None
