"""Whether LoRA finds what it is to adapt, told without the model's weights."""

import torch
from peft import PeftConfig, get_peft_model
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from lm_eval_tasks.errors import UserError


def check_lora(model: str, config: PeftConfig) -> None:
    """Put the adapter on the model's empty shell, as the training will on the model.

    Args:
        model: Its folder or hub name.
        config: The adapter's.

    Raises:
        UserError: PEFT refuses it, or one of several names of `target_modules` fits no module.
    """
    with torch.device("meta"):
        shell = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model))
    modules = [name for name, _ in shell.named_modules() if name]
    kinds = sorted(
        {name.rpartition(".")[2] for name, one in shell.named_modules() if isinstance(one, nn.Linear)}
    )
    known = f"linear modules are {', '.join(kinds)}; 'all-linear' means all but the output head"
    targets = config.target_modules
    if targets and not isinstance(targets, str):
        for target in sorted(targets):
            # PEFT's rule for a list: the whole name or its last parts; one that fits nothing it passes over.
            if not any(name == target or name.endswith(f".{target}") for name in modules):
                raise UserError(f"--lora_target_modules: no module is called {target!r}; {known}.")
    try:
        get_peft_model(shell, config)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"--lora_target_modules {targets}: {reason} (A single name is a pattern for whole names; "
            f"{known}.)"
        ) from None
