"""Evaluation mode and a switched-off adapter, without a walk through all modules at every micro-batch.

`model.eval()`, `model.train()` and PEFT's `disable_adapter` visit every module to find the few that change.
Here they are found once.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from peft.utils import AuxiliaryTrainingWrapper
from torch import nn


def evaluation_of(model: nn.Module) -> Callable[[], AbstractContextManager[None]]:
    """Makes contexts in which `model` is in evaluation mode and without gradients; it keeps its modules."""
    modules = list(model.modules())

    @contextmanager
    def evaluating() -> Iterator[None]:
        trained = [module for module in modules if module.training]
        _set_training(trained, False)
        try:
            with torch.no_grad():
                yield
        finally:
            _set_training(trained, True)

    return evaluating


def evaluating(model: nn.Module) -> AbstractContextManager[None]:
    """Such a context for once; afterwards the model is as it was."""
    return evaluation_of(model)()


def adapter_off(model: PeftModel) -> Callable[[], AbstractContextManager[None]]:
    """Makes contexts in which `model` is its own base, as PEFT's `disable_adapter` does.

    Adapters that are no layers (prompts), and trained biases, of which PEFT warns, are left to it.
    """
    tuner = model.base_model
    plain = isinstance(tuner, BaseTuner) and (
        type(tuner).disable_adapter_layers is BaseTuner.disable_adapter_layers
    )
    if not plain or any(getattr(each, "bias", "none") != "none" for each in model.peft_config.values()):
        return model.disable_adapter
    layers = [
        module for module in model.modules() if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper)
    ]

    @contextmanager
    def off() -> Iterator[None]:
        # The only public setter, `enable_adapters`, takes the gradients away too and takes far longer.
        # tests/distill/test_modes.py fails if the attribute no longer means the same.
        enabled = [layer for layer in layers if not layer.disable_adapters]
        for layer in enabled:
            layer._disable_adapters = True
        try:
            yield
        finally:
            for layer in enabled:
                layer._disable_adapters = False

    return off


def _set_training(modules: list[nn.Module], value: bool) -> None:
    for module in modules:
        # The attribute itself, without the search that `nn.Module.__setattr__` begins with.
        vars(module)["training"] = value
