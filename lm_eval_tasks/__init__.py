"""Few-shot evaluation tasks: data, prompts, demonstrations and scorers, without torch."""

from pathlib import Path

__version__ = "0.1.0"

TASK_DIR = Path(__file__).parent / "benchmarks"
"""Folder of the lm-evaluation-harness task files, for `lm_eval --include_path`."""
