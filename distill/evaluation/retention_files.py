"""Names of the files that say what baking costs, for those that look for them without loading a model."""

from pathlib import Path

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
