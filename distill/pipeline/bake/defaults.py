"""The settings of a bake that nobody gave, chosen so that a first try works."""

import math
from collections.abc import Mapping
from typing import Any

_SFT_EPOCHS = 8
"""Of fine-tuning on demonstrations alone, in one batch: fewer learn less, more learn no more."""

_BATCH = 8
_FEWEST_STEPS, _MOST_STEPS = 24, 1000
_FEW_CHECKPOINTS, _CHECKPOINTS = 4, 8
_HELD_OUT = 16


def steps_for(rows: int, batch: int = _BATCH) -> int:
    """Optimiser steps: once over the rows, but so many at least, and so many at most."""
    return min(_MOST_STEPS, max(_FEWEST_STEPS, math.ceil(rows / batch)))


def held_out_rows(rows: int) -> int:
    """Rows on which the divergence is measured instead of trained on; none of few."""
    return min(_HELD_OUT, rows // 8)


def rows_read(rows: int, given: Mapping[str, Any]) -> int:
    """How many of the rows a training of `max_steps` gets to, with those that are held out."""
    steps = given.get("max_steps")
    if not isinstance(steps, int) or steps <= 0:
        return rows
    step = _number(given.get("per_device_train_batch_size"), _BATCH)
    step *= _number(given.get("gradient_accumulation_steps"), 1)
    held_out = given.get("eval_rows", held_out_rows(rows))
    return min(rows, steps * int(step) + _number(held_out, 0))


def learning_rate(hidden_size: int) -> float:
    """Of LoRA on all linear layers; the larger the model, the smaller."""
    return 1e-3 if hidden_size <= 1024 else 5e-4 if hidden_size <= 2560 else 2e-4


def sft_learning_rates(hidden_size: int) -> tuple[float, ...]:
    """Plain fine-tuning is tried at each, and the best counts: the baseline is to be a fair one."""
    rate = learning_rate(hidden_size)
    return rate / 2, rate, 2 * rate


def answer_tokens(lengths: list[int]) -> int:
    """Longest answer, from the lengths of known ones: a quarter longer and a little, a multiple of eight."""
    return 8 * math.ceil((1.25 * max(lengths) + 4) / 8)


def training(
    rows: int, *, hidden_size: int, cuda: bool, dtype: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """What SFT and distillation have in common; where it follows from what is `given`, from that."""
    held_out = 0 if given.get("eval_rows") == 0 else _number(given.get("eval_rows"), held_out_rows(rows))
    batch = _number(given.get("per_device_train_batch_size"), _BATCH)
    steps = steps_for(rows - held_out, batch)
    if (epochs := given.get("num_train_epochs")) is not None:
        steps = max(1, math.ceil(_number(epochs, 1) * (rows - held_out) / batch))
    steps = _number(given.get("max_steps"), steps)
    return {
        "eval_rows": held_out,
        "max_length": None,
        "teacher_max_length": None,
        # Trained weights are kept in float32: steps are smaller than bfloat16 can tell.
        "dtype": "float32" if given.get("use_peft") is False else dtype,
        "bf16": cuda and dtype == "bfloat16",
        "use_cpu": not cuda,
        "use_peft": True,
        "lora_r": 16,
        "lora_alpha": 32,
        "lora_dropout": 0.0,
        "lora_target_modules": ["all-linear"],
        "max_steps": steps,
        "per_device_train_batch_size": _BATCH,
        "per_device_eval_batch_size": _BATCH,
        "gradient_accumulation_steps": 1,
        "gradient_checkpointing": False,
        "learning_rate": learning_rate(hidden_size),
        "lr_scheduler_type": "linear",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        # Each measures the held-out divergence, which costs a short run as much as a step or two.
        "save_steps": math.ceil(steps / (_FEW_CHECKPOINTS if steps <= 100 else _CHECKPOINTS)),
        "logging_steps": max(1, steps // 8),
        "report_to": "none",
    }


def _number(given: Any, default: Any) -> Any:
    """A number above 0 that was given; another value is refused when the training's options are read."""
    return given if isinstance(given, int | float) and given > 0 else default


def distillation(held_out: int, *, on_policy: bool, max_new_tokens: int) -> dict[str, Any]:
    """What distillation adds: the forward KL from the prompted model, and nothing from labels."""
    settings: dict[str, Any] = {
        "objective": "jsd",
        "beta": 0.0,
        "ce_weight": 0.0,
        "distill_weight": 1.0,
        "early_stop": 2 if held_out else 0,
    }
    return settings | ({"lmbda": 1.0, "max_new_tokens": max_new_tokens} if on_policy else {})


def sft_condition(rate: float, *, demonstrations: int | None, some: bool) -> dict[str, Any]:
    """One try of plain fine-tuning: on gold answers, never on those that the prompted model wrote.

    Args:
        rate: Learning rate.
        demonstrations: How many there are, where they are the only labels at hand.
        some: Whether rows without a label stand among the others; then none is held out.
    """
    settings: dict[str, Any] = {"learning_rate": rate, "answers": None}
    if some:
        settings["eval_rows"] = 0
    if demonstrations is not None:
        batch = min(_BATCH, demonstrations)
        settings |= {"learn_from": "demonstrations", "eval_rows": 0, "per_device_train_batch_size": batch}
        settings |= {"max_steps": _SFT_EPOCHS, "save_steps": _SFT_EPOCHS}
    return settings
