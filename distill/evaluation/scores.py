"""Which numbers a benchmark reports."""

from lm_eval_tasks.benchmarks import BENCHMARKS

DIAGNOSTICS = ("no_answer", "empty", "unclosed_think", "looping", "timed_out", "scorer_error")
"""Verdicts on a response that are no score; `no_answer` where the benchmark extracts one."""


def primary_metric(benchmark: str) -> str:
    """The metric that tables show first."""
    return BENCHMARKS[benchmark].scores[0].name


def shown_metrics(benchmark: str) -> list[str]:
    """The metrics that tables show, the primary one first."""
    return [score.name for score in BENCHMARKS[benchmark].scores if score.column]
