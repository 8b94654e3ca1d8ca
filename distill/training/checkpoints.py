"""Which checkpoint an interrupted run goes on from: never a half-written one."""

import errno
import json
import logging
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate import PartialState

from distill.model.weights import is_whole
from lm_eval_tasks.errors import UserError

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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


def steps_done(checkpoint: str | Path) -> int:
    """The step of a complete checkpoint."""
    state = Path(checkpoint) / "trainer_state.json"
    return int(json.loads(state.read_text(encoding="utf-8"))["global_step"])


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
        if not is_whole(path):
            return f"{path.name} is cut short"
    for path in [*checkpoint.glob("*.pt"), *checkpoint.glob("*.pth")]:
        if not zipfile.is_zipfile(path):
            return f"{path.name} is cut short"
    return None


@contextmanager
def clear_storage_errors(output_dir: Path) -> Iterator[None]:
    """A full disk becomes one clear error; the half-written checkpoint goes, the last complete one stays.

    Raises:
        UserError: a file could not be written for want of space.
    """
    try:
        yield
    except Exception as error:
        reason = _no_space(error)
        if reason is None:
            raise
        last = last_complete(output_dir)
        if PartialState().is_main_process:
            _remove_newer(output_dir, last)
        free = shutil.disk_usage(output_dir).free / 1e6
        kept = (
            "There is no complete checkpoint" if last is None else f"The last complete checkpoint is {last}"
        )
        raise UserError(
            f"output_dir: a file could not be written to {output_dir} ({reason}; {free:.0f} MB are free). "
            f"{kept}. Make room, or keep fewer checkpoints (save_total_limit), and start again with "
            "--resume_from_checkpoint."
        ) from error


def _no_space(error: BaseException | None) -> str | None:
    """Why a file could not be written, if that was for want of space."""
    while error is not None:
        number = error.errno if isinstance(error, OSError) else None
        if (found := re.search(r"\(os error (\d+)\)", str(error))) is not None:  # safetensors
            number = int(found[1])
        if number in _FULL:
            return os.strerror(number)
        if re.search(r"PytorchStreamWriter|inline_container.*unexpected pos", str(error)):  # torch.save
            return "writing failed"
        error = error.__cause__ or error.__context__
    return None


def _remove_newer(output_dir: Path, last: Path | None) -> None:
    """Remove checkpoints that were begun after the last complete one."""
    newest = int(last.name.rpartition("-")[2]) if last is not None else -1
    for path in output_dir.glob("checkpoint-*"):
        match = _NAME.fullmatch(path.name)
        if match and int(match[1]) > newest:
            shutil.rmtree(path, ignore_errors=True)
