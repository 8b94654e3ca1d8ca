"""Which checkpoint an interrupted run goes on from: never a half-written one."""

import json
import logging
import re
import zipfile
from pathlib import Path

from lm_eval_tasks.errors import UserError

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)")


def resume_path(resume_from_checkpoint: str | None, output_dir: str | Path) -> str | None:
    """What to hand to `Trainer.train(resume_from_checkpoint=...)`.

    Args:
        resume_from_checkpoint: `auto` (or `true`): the last complete checkpoint of `output_dir`, if there is
            one; a folder: that one; None (or `false`): none.
        output_dir: The run's folder.

    Raises:
        UserError: the folder named is no complete checkpoint.
    """
    wish = (resume_from_checkpoint or "false").lower()
    if wish == "false":
        return None
    if wish in ("auto", "true"):
        last = last_complete(Path(output_dir))
        return None if last is None else str(last)
    reason = incomplete(Path(str(resume_from_checkpoint)))
    if reason:
        raise UserError(
            f"resume_from_checkpoint: {resume_from_checkpoint} is no complete checkpoint ({reason}). Name "
            "another, or 'auto' for the last complete one."
        )
    return resume_from_checkpoint


def last_complete(output_dir: Path) -> Path | None:
    """The complete checkpoint of the highest step, or None."""
    steps = {
        int(match[1]): path
        for path in output_dir.glob("checkpoint-*")
        if (match := _NAME.fullmatch(path.name))
    }
    for step in sorted(steps, reverse=True):
        reason = incomplete(steps[step])
        if reason is None:
            return steps[step]
        logger.warning("%s is passed over: %s", steps[step], reason)
    return None


def incomplete(checkpoint: Path) -> str | None:
    """Why a checkpoint cannot be resumed from, or None if it can.

    The trainer writes `trainer_state.json` last; every file is checked as far as its format tells.
    """
    state = checkpoint / "trainer_state.json"
    try:
        step = json.loads(state.read_text(encoding="utf-8"))["global_step"]
    except FileNotFoundError:
        return "trainer_state.json is missing"
    except (json.JSONDecodeError, KeyError):
        return "trainer_state.json is cut short"
    if (match := _NAME.fullmatch(checkpoint.name)) and int(match[1]) != step:
        return f"trainer_state.json is of step {step}"
    weights = list(checkpoint.glob("*.safetensors"))
    if not weights and not any(path.is_dir() for path in checkpoint.iterdir()):
        return "it has no weights"
    for path in weights:
        if not _whole_safetensors(path):
            return f"{path.name} is cut short"
    for path in [*checkpoint.glob("*.pt"), *checkpoint.glob("*.pth")]:
        if not zipfile.is_zipfile(path):
            return f"{path.name} is cut short"
    return None


def _whole_safetensors(path: Path) -> bool:
    """Whether the file is as long as its header says: 8 bytes of header length, header, data."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return path.stat().st_size == 8 + length + max(ends, default=0)
