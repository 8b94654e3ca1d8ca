"""What a task is, beside its rows: prompts, stops, metrics. Scores of another definition are other scores."""

import hashlib
import importlib.util
import inspect
import json
from functools import partial
from pathlib import Path
from typing import Any

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.episodes import Source
from lm_eval_tasks.sources.benchmark import BenchmarkSource
from lm_eval_tasks.sources.lm_eval_single import LmEvalTask
from lm_eval_tasks.sources.rows_source import JsonLinesSource

_RECORDED = ("dataset_path", "dataset_name", "dataset_kwargs", "num_fewshot", "metadata")
"""Of lm-eval's config: where the rows are and how many are shown, which is recorded on its own."""


def definition_of(member: Source) -> str | None:
    """A digest (16 hex digits) of it; None: there is nothing but rows.

    Of a benchmark or a task of lm-eval its YAML, functions included; of rows of one's own their metric, with
    the module of a user's function.
    """
    if isinstance(member, LmEvalTask):
        config = member.task.config.to_dict(keep_callable=True)
        told = {name: value for name, value in config.items() if name not in _RECORDED}
        return _digest(told, member.task.VERSION)
    if isinstance(member, BenchmarkSource):
        files = sorted((TASK_DIR / member.benchmark.name).glob("*yaml"))
        return _digest([path.read_text(encoding="utf-8") for path in files])
    if isinstance(member, JsonLinesSource) and member.metric is not None:
        return _digest(member.metric.spec, _module_of(member.metric.spec))
    return None


def _module_of(spec: str) -> str | None:
    """The text of the module that `module:function` names."""
    module, colon, _ = spec.partition(":")
    try:
        found = importlib.util.find_spec(module) if colon else None
    except ModuleNotFoundError:
        return None
    if found is None or not found.has_location or not found.origin or not found.origin.endswith(".py"):
        return None
    return Path(found.origin).read_text(encoding="utf-8")


def _digest(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=_code)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _code(value: Any) -> Any:
    """A function as its source, and never as its place in memory, which no second process shares."""
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return f"{type(value).__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
