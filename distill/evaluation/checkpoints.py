"""The checkpoints of a sweep: found on disk, told apart, and looked over before an engine starts."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from distill.evaluation.divergence import read_divergence
from lm_eval_tasks.errors import UserError, check

if TYPE_CHECKING:
    import torch

_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One saved step of one condition.

    Attributes:
        condition: Name of its training condition.
        step: Optimiser step.
        folder: Where it is.
        kind: `adapter` (LoRA and the like, PEFT's format) or `full` weights.
    """

    condition: str
    step: int
    folder: Path
    kind: Literal["adapter", "full"]


def find_checkpoints(
    base_dir: Path, conditions: Sequence[str], steps: Sequence[int | str] | None
) -> tuple[list[Checkpoint], list[str]]:
    """The wanted checkpoints that can be evaluated, adapters first, and one paragraph for each that cannot.

    Args:
        base_dir: Holds one folder per condition, each with `checkpoint-{step}` folders.
        conditions: Names of those folders.
        steps: Wanted steps; `last`: the highest; `best`: the one with the lowest held-out divergence,
            the last where none was measured; None: all that exist.

    Raises:
        UserError: `base_dir` is no folder, or a condition is no name of a folder in it.
    """
    if not base_dir.is_dir():
        raise UserError(f"--base_dir {base_dir} is not a folder. Train first, or name the runs' folder.")
    for condition in conditions:  # results are called by it
        check(Path(condition).name == condition, "--conditions", condition, "name a folder of --base_dir")
    found, problems = [], []
    for condition in dict.fromkeys(conditions):
        folder = base_dir / condition
        existing = _existing_steps(folder)
        if not existing:
            problems.append(_nothing_saved(folder, condition, base_dir))
            continue
        for step in existing if steps is None else _numbers(steps, existing, folder):
            if step not in existing:
                listed = ", ".join(map(str, existing))
                problems.append(
                    f"condition {condition!r} has no step {step}: {folder}/checkpoint-{step} does not exist. "
                    f"Steps that exist: {listed}. Choose among them with --checkpoint_steps, or train on."
                )
                continue
            try:
                found.append(_inspect(condition, step, folder / f"checkpoint-{step}"))
            except UserError as error:
                problems.append(str(error))
    # Adapters share the loaded base; full weights each need the memory for themselves.
    return sorted(found, key=lambda checkpoint: checkpoint.kind), problems


def _numbers(steps: Sequence[int | str], existing: Sequence[int], folder: Path) -> list[int]:
    """The steps as numbers."""
    words = {"last": existing[-1], "best": best_step(existing, folder)}
    return list(dict.fromkeys(words[step] if isinstance(step, str) else step for step in steps))


def best_step(existing: Sequence[int], folder: Path) -> int:
    """The step of the lowest held-out divergence among those that are saved."""
    found = {step: mean for step, mean in read_divergence(folder).means.items() if step in existing}
    return min(found, key=lambda step: (found[step], step), default=existing[-1])


def tokenizer_of(checkpoint: Checkpoint, base: str) -> str:
    """Where the tokenizer of full weights is: beside them, else the base model's."""
    own = (checkpoint.folder / "tokenizer_config.json").is_file()
    return str(checkpoint.folder) if own else base


def other_base(checkpoint: Checkpoint, base: str) -> str | None:
    """The base model that an adapter names, if it goes by another name than `base`."""
    named = str(_readable_json(checkpoint.folder / "adapter_config.json").get("base_model_name_or_path"))
    return None if Path(named).name == Path(base).name else named


def changes_nothing(folder: Path) -> bool:
    """Whether an adapter's weights leave the base as it is: every LoRA `B` matrix is zero.

    Weights of another kind beside them (saved modules, other adapter types) count as a change.
    """
    seen = False
    for name, tensor in _tensors(folder):
        if "lora_A" in name or "lora_embedding_A" in name:
            continue
        seen = True
        if "lora_B" not in name and "lora_embedding_B" not in name:
            return False
        if bool(tensor.any()):
            return False
    return seen


def _existing_steps(folder: Path) -> list[int]:
    matches = (_NAME.fullmatch(path.name) for path in folder.glob("checkpoint-*") if path.is_dir())
    return sorted(int(match.group(1)) for match in matches if match)


def _nothing_saved(folder: Path, condition: str, base_dir: Path) -> str:
    others = sorted(path.parent.name for path in base_dir.glob("*/checkpoint-*"))
    known = f"Conditions with checkpoints: {', '.join(dict.fromkeys(others))}." if others else "Train first."
    return f"condition {condition!r}: {folder} holds no checkpoint-* folder. {known}"


def _inspect(condition: str, step: int, folder: Path) -> Checkpoint:
    """Tell adapter from full weights and see that the files are whole.

    Raises:
        UserError: a file is missing or cut short, or the adapter changes nothing.
    """
    from safetensors import SafetensorError

    if (folder / "adapter_config.json").is_file():
        _readable_json(folder / "adapter_config.json")
        try:
            silent = changes_nothing(folder)
        except (OSError, SafetensorError) as error:
            raise _damaged(folder, f"its adapter weights cannot be read ({error})") from None
        if silent:
            raise UserError(
                f"{folder}: the adapter changes nothing: every lora_B matrix is zero, so its scores would be "
                "the base model's. It was saved before the first optimiser step, or training missed it."
            )
        return Checkpoint(condition, step, folder, "adapter")
    _readable_json(folder / "config.json")
    _check_weights(folder)
    return Checkpoint(condition, step, folder, "full")


def _tensors(folder: Path) -> Iterator[tuple[str, "torch.Tensor"]]:
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - safetensors' handle is no mapping
            yield name, file.get_tensor(name)


def _readable_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise _damaged(path.parent, f"{path.name} is missing")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:  # no JSON, or no object
        raise _damaged(path.parent, f"{path.name} is not readable as a JSON object ({error})") from None


def _check_weights(folder: Path) -> None:
    """Refuse weights of which a shard is missing or cut short."""
    from distill.model.weights import is_whole

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(_readable_json(index).get("weight_map", {}).values()))
    else:
        shards = ["model.safetensors"]
    for shard in shards:
        if not (folder / shard).is_file():
            raise _damaged(folder, f"{shard} is missing")
        if not is_whole(folder / shard):
            raise _damaged(folder, f"{shard} cannot be read or is cut short")


def _damaged(folder: Path, reason: str) -> UserError:
    return UserError(
        f"{folder} is not a whole checkpoint: {reason}. Save it again, or leave its step out of "
        "--checkpoint_steps."
    )
