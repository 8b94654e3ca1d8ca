"""The files that say what baking costs, for those that look for them without loading a model."""

import json
from pathlib import Path
from typing import Any

from lm_eval_tasks.errors import UserError

FOLDER = "retention"
"""Beside a job's results file."""
RESULTS = "results.json"
KIND = "retention"
"""Of its results file: other tasks than the job."""
DRIFT = "drift.json"
ECONOMY = "economy.json"
"""Written last."""
PROMPTS = Path(__file__).with_name("drift_prompts.jsonl")
"""What drift is measured on: JSON lines with `id` and `prompt`."""


def is_retention(file: Path) -> bool:
    """Whether a results file is of other tasks than a job, which the report shows beside the job's gain."""
    with file.open(encoding="utf-8", errors="replace") as text:
        return f'"kind": "{KIND}"' in text.read(200)


def read_drift(path: Path) -> dict[str, Any]:
    """The content of `drift.json`; no students where there is no file.

    Raises:
        UserError: it is not readable as JSON.
    """
    if not path.is_file():
        return {"students": []}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UserError(f"{path} is not readable as JSON ({error}). Remove it, and measure again.") from None
