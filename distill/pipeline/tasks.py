"""A run's benchmarks as the options that name a task, and the files behind them."""

from pathlib import Path
from typing import Any

from distill.pipeline.config import BenchmarkRun, RunConfig
from distill.pipeline.meaning import files_of
from distill.pipeline.view import view_of
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.reading import resolve_source
from lm_eval_tasks.sources.benchmark import BenchmarkSource

_FILES = ("eval.jsonl", "demonstrations.jsonl", "tools.json")


def task_options(config: RunConfig, benchmark: str, folder: Path) -> dict[str, Any]:
    """The task and its rows, by the names that commands and training files give them.

    Args:
        config: The run.
        benchmark: One of its benchmarks.
        folder: Folder of the run file, which file names are relative to.
    """
    run = config.benchmarks[benchmark]
    options = {
        "task": _named(run, benchmark, folder),
        "data": resolve_source(config.data) if run.task is None else None,
        "inputs": folder / run.inputs if run.inputs else None,
        "evaluation": folder / run.evaluation if run.evaluation else None,
        "train_split": run.train_split,
        "metric": run.metric,
    }
    return {name: value for name, value in options.items() if value is not None}


def input_files(config: RunConfig, benchmark: str, folder: Path) -> tuple[Path, ...]:
    """The files on this machine that decide what a benchmark's stages find."""
    run = config.benchmarks[benchmark]
    if run.task is None:
        return tuple(BenchmarkSource(benchmark, config.data).files())
    options = task_options(config, benchmark, folder) | view_of(config, benchmark, folder).asked()
    named = [options.get("inputs"), options.get("evaluation"), *(options.get("document") or ())]
    named += [options.get("demonstrations"), options.get("system_instruction")]
    task = Path(options["task"])
    if task.is_file():
        named += [*files_of(task), *(task.with_name(name) for name in _FILES if task.suffix == ".yaml")]
    there = (path for path in named if isinstance(path, Path) and path.is_file())
    return tuple(dict.fromkeys(there))


def _named(run: BenchmarkRun, benchmark: str, folder: Path) -> str:
    if run.task is None or run.task in BENCHMARKS or run.task.startswith("lm_eval:"):
        return run.task or benchmark
    return str(folder / run.task) if run.task.endswith((".yaml", ".jsonl")) else run.task
