"""What is asked and how it is judged: episodes, sources, prompts and scorers, without torch.

from lm_eval_tasks import Episode, open_source
"""

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

TASK_DIR = Path(__file__).parent / "benchmarks"
"""Folder of the lm-evaluation-harness task files, for `lm_eval --include_path`."""

_PUBLIC = {
    "Episode": "lm_eval_tasks.episodes",
    "constraint": "lm_eval_tasks.scoring.constraints",
    "open_source": "lm_eval_tasks.sources",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
