"""The tasks as lm-evaluation-harness sees them."""

from lm_eval_tasks.harness.task import IclTask

__all__ = ["IclTask"]
