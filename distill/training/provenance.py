"""What a run is: kept beside its checkpoints, and compared before a run goes on from one."""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval_tasks import __version__
from lm_eval_tasks.errors import UserError

FILE = "provenance.json"
_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
_IDENTITY = ("model", "revision", "seed", "world_size", "trainer", "data", "settings")

SHAPES_WEIGHTS = (
    # what is learned from whom
    "objective", "ce_weight", "distill_weight", "top_k", "beta", "temperature", "teacher",
    "teacher_model_name_or_path", "teacher_model_init_kwargs",
    "teacher_targets", "ema_decay", "teacher_max_length", "max_length",
    "lmbda", "seq_kd", "max_new_tokens", "use_vllm", "loss_type", "completion_only_loss",
    # the model
    "dtype", "attn_implementation", "use_peft", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules",
    "lora_target_parameters", "lora_modules_to_save", "use_rslora", "use_dora", "load_in_8bit",
    "load_in_4bit", "bnb_4bit_quant_type", "use_bnb_nested_quant", "neftune_noise_alpha",
    # the steps
    "learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "weight_decay", "optim",
    "optim_args", "optim_target_modules", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm",
    "label_smoothing_factor", "average_tokens_across_devices", "bf16", "fp16",
    # which rows make up a step
    "per_device_train_batch_size", "gradient_accumulation_steps", "train_sampling_strategy", "data_seed",
    "shuffle_dataset", "dataloader_drop_last", "ignore_data_skip",
)  # fmt: skip
"""Settings that alter the weights: a resumed run must have those it began with.

All others may change: how long it trains (`max_steps`, `num_train_epochs`), if no learning rate hangs on it,
what it logs, saves, evaluates and uploads, and what alters speed and memory alone, such as
`gradient_checkpointing` and `shared_prefix`.
"""

_ENDLESS = ("constant", "constant_with_warmup", "inverse_sqrt", "reduce_lr_on_plateau")
"""Schedules whose learning rate at a step is the same however many steps follow."""


def describe(
    *,
    model: str | None,
    revision: str,
    seed: int,
    world_size: int,
    trainer: str,
    data: Mapping[str, Any],
    settings: tuple[object, ...],
    resumed: bool,
) -> dict[str, Any]:
    """The contents of `provenance.json`; `settings` are the configuration objects."""
    return {
        "model": model,
        "revision": revision,
        "seed": seed,
        "world_size": world_size,
        "trainer": trainer,
        "data": data,
        "settings": _shaping(settings),
        "versions": {"icl-distill": __version__} | {name: version(name) for name in _LIBRARIES},
        "resumed": resumed,
    }


def check_same_run(now: Mapping[str, Any], path: Path) -> None:
    """Refuse to go on from a checkpoint of another run.

    Args:
        now: This run's provenance.
        path: The `provenance.json` beside the checkpoint; without one nothing is compared.

    Raises:
        UserError: something that alters the weights differs; it names the setting and both values.
    """
    if not path.is_file():
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    differing = list(_differing(before, json.loads(json.dumps(now))))
    if differing:
        raise UserError(
            f"resume_from_checkpoint: {path} says that the checkpoint's run had {'; '.join(differing)}. Give "
            "the same settings, or another output_dir."
        )


def _shaping(settings: tuple[object, ...]) -> dict[str, Any]:
    known = {name: getattr(part, name) for part in settings for name in vars(part)}
    found = {name: known[name] for name in SHAPES_WEIGHTS if name in known}
    schedule = str(getattr(known.get("lr_scheduler_type"), "value", known.get("lr_scheduler_type")))
    if schedule not in _ENDLESS or 0 < known.get("warmup_steps", 0) < 1:  # a share of all steps
        found["max_steps"] = known.get("max_steps", -1)
        if found["max_steps"] <= 0:
            found["num_train_epochs"] = known.get("num_train_epochs")
    # Enumerations and the like become what a JSON file gives back.
    return json.loads(json.dumps(found, default=str, sort_keys=True))


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in _IDENTITY:
        theirs, ours = before.get(name), now[name]
        if not isinstance(ours, dict):
            if theirs != ours:
                yield f"{name} {theirs!r}, and this one has {ours!r}"
            continue
        # A setting that an earlier version did not know cannot be compared.
        for key, value in (theirs or {}).items():
            if value != ours.get(key):
                yield f"{key} {value!r}, and this one has {ours.get(key)!r}"
