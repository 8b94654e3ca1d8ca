"""The distillation library and the `icl-distill` command.

from distill import ICLDistillConfig, ICLDistillTrainer, bake
"""

import importlib
from typing import Any

_PUBLIC = {
    "ICLDistillConfig": "distill.training.config",
    "ICLDistillTrainer": "distill.training.trainer",
    "bake": "distill.pipeline.bake",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for: `icl-distill --help` pays for no torch."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
