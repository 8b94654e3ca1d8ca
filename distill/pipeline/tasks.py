"""A run's benchmarks as the options that name a task and its prompt, and the files behind them."""

from pathlib import Path
from typing import Any

from distill.pipeline.config import BenchmarkRun, RunConfig
from distill.pipeline.meaning import files_of
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.prompting.demonstrations import MODES
from lm_eval_tasks.reading import resolve_source
from lm_eval_tasks.sources.benchmark import BenchmarkSource

_FILES = ("eval.jsonl", "demonstrations.jsonl", "tools.json")


def task_options(config: RunConfig, benchmark: str, folder: Path) -> dict[str, Any]:
    """The task and what only the teacher reads, by the names that commands and training files give them.

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
        "demonstrations": _placed(run.demonstrations, folder),
        "system_instruction": _placed(run.system_instruction, folder),
        "document": tuple(folder / path for path in run.document) or None,
        "privileged": run.privileged,
        "privileged_template": run.privileged_template,
    }
    return {name: value for name, value in options.items() if value is not None}


def input_files(config: RunConfig, benchmark: str, folder: Path) -> tuple[Path, ...]:
    """The files on this machine that decide what a benchmark's stages find."""
    run = config.benchmarks[benchmark]
    if run.task is None:
        return tuple(BenchmarkSource(benchmark, config.data).files())
    options = task_options(config, benchmark, folder)
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


def _placed(value: str | None, folder: Path) -> Path | str | None:
    """A file beside the run file, or the value as it is: a mode, or a text."""
    if value is None or value in MODES:
        return value
    try:
        return folder / value if (folder / value).is_file() else value
    except (OSError, ValueError):  # a text too long for a name
        return value
