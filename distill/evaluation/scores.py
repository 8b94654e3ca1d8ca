"""Which numbers an entry of a results file reports."""

from collections.abc import Mapping
from typing import Any

DIAGNOSTICS = ("no_answer", "empty", "unclosed_think", "looping", "timed_out", "scorer_error")
"""Verdicts on a response that are no score; `no_answer` where the task extracts one."""


def primary_metric(entry: Mapping[str, Any]) -> str:
    """The metric that tables show first."""
    return str(next(iter(entry["metrics"])))
