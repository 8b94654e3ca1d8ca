"""Where episodes come from: one `Source` a task, whatever it is made of."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.episodes import Source
from lm_eval_tasks.errors import UserError

_KINDS = {
    "json_lines": "open_json_lines",
    "lm_eval_task": "open_lm_eval_task",
}
"""Modules of this package, each with the function that opens its kind."""


def open_source(task: str, *, data: str | None = None, **options: Any) -> Source:
    """The source that `task` names.

    - `gsm8k`, or the bare name of any other benchmark of this package: that one;
    - a path that ends in `.jsonl`: rows of one's own;
    - a path that ends in `.yaml`, `lm_eval:NAME`, or any other name: a task of lm-evaluation-harness.

    Args:
        task: A name or a path.
        data: Where a benchmark's rows are; see `BenchmarkSource`. Other kinds bring their own.
        options: What that kind of source takes beside.

    Raises:
        UserError: nothing of that name can be opened.
    """
    if task in BENCHMARKS:
        from lm_eval_tasks.sources.benchmark import BenchmarkSource

        return BenchmarkSource(task, data, **options)
    kind = "json_lines" if task.endswith(".jsonl") else "lm_eval_task"
    if find_spec(f"{__name__}.{kind}") is None:
        raise UserError(
            f"task {task!r} cannot be opened; the benchmarks of this package are {', '.join(BENCHMARKS)}."
        )
    opened: Source = getattr(import_module(f"{__name__}.{kind}"), _KINDS[kind])(task, **options)
    return opened
