"""Training options in whose range nothing is learnt: refused before anything is measured."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from lm_eval_tasks.errors import UserError, check

_ABOVE_ZERO = (
    "max_steps", "num_train_epochs", "save_steps", "learning_rate", "lora_r", "lora_alpha", "max_length",
    "per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps",
)  # fmt: skip
"""The training's libraries take a 0 or -1 in some of them for another wish, or fail over it much later."""


def check_ranges(given: Mapping[str, Any], *, rows: int, cuda: bool) -> None:
    """Refuse given values that the training's own parser passes, and that train nothing.

    Args:
        given: Keys of a training config, which the parser has read before.
        rows: How many rows there are to learn from.
        cuda: Whether there is a GPU.

    Raises:
        UserError: names the first of them.
    """
    for name in _ABOVE_ZERO:
        value = given.get(name)
        above = not isinstance(value, int | float) or value > 0
        check(above, f"--{name}", value, "give a number above 0, or leave it out")
    held_out = given.get("eval_rows")
    check(
        not isinstance(held_out, int) or held_out < rows,
        "--eval_rows",
        held_out,
        f"it holds out of training all of the {rows} rows to learn from: lower it, or give more rows",
    )
    for name in ("load_in_4bit", "load_in_8bit"):
        if given.get(name) is True and not (cuda and importlib.util.find_spec("bitsandbytes")):
            raise UserError(
                f"--{name}: a quantised base needs a GPU and bitsandbytes, and "
                f"{'bitsandbytes is not installed' if cuda else 'there is no GPU'}. Leave it out."
            )
