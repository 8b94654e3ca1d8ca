"""The stage that measures what a benchmark's students cost; see `distill.evaluation.retention`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.evaluation.retention_files import ECONOMY, FOLDER, PROMPTS
from distill.pipeline.config import BenchmarkRun, Retention, RunConfig
from distill.pipeline.records import RECORDS
from distill.pipeline.stage import Part, Stage, module_command
from distill.pipeline.training import trained_dir, training_name
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.sources import open_source
from lm_eval_tasks.sources.benchmark import BenchmarkSource, choice_benchmark


def retention_stages(
    config: RunConfig, benchmark: str, output_dir: Path, *, after: Sequence[str]
) -> list[Stage]:
    """The stage; none where the run does not ask for it.

    Args:
        config: The run.
        benchmark: One of its benchmarks.
        output_dir: Where the run's benchmarks have their folders.
        after: Names of the stages whose results it reads.
    """
    if config.retention is None:
        return []
    own = output_dir / benchmark
    output = own / FOLDER
    asked = _asked(config, config.retention, config.benchmarks[benchmark], benchmark)
    places = {
        "conditions": tuple(config.conditions),
        "base_dir": trained_dir(config, benchmark, output_dir),
        "results": own / "results.json",
        "gap": own / "gap.json",
        "answers_record": output_dir / RECORDS / f"answers-{benchmark}.json",
        "output": output,
    }
    given = {name: value for name, value in (asked | places).items() if value != ()}
    files = [path for task in asked["task"] for path in _files(task, config.retention.data)]
    done = output / ECONOMY
    return [
        Stage(
            name=f"retention-{benchmark}",
            command=module_command("distill.cli", "retention", **given),
            output=output,
            done_when=done,
            inputs=tuple(files),
            meaning=asked | {"files": files, "prompts": PROMPTS},
            after=tuple(after),
            parts=tuple(
                Part(f"retention {name}", output, done, after=(training_name(benchmark, name),))
                for name in config.conditions
            ),
            optional=True,
        )
    ]


def check_retention(wanted: Retention | None) -> None:
    """Read the rows of every task, before hours of training.

    Raises:
        UserError: a task is unknown, or its rows cannot be read.
    """
    if wanted is None:
        return
    for task in wanted.tasks:
        source = choice_benchmark(task, wanted.data) or open_source(task, data=wanted.data)
        for member in source.members:
            member.evaluation()


def _asked(config: RunConfig, wanted: Retention, run: BenchmarkRun, benchmark: str) -> dict[str, Any]:
    """What decides the numbers, by the names of the command's options."""
    job = run.task or benchmark
    steps = run.checkpoint_steps
    words = [step for step in ("best", "last") if step in steps]
    return {
        "model": config.model_name_or_path,
        "backend": config.backend,
        "dtype": config.dtype,
        "batch_size": config.batch_size,
        "tensor_parallel_size": config.tensor_parallel_size,
        "seed": config.seed,
        "task": tuple(task for task in wanted.tasks if task not in (job, f"{job}_icl_mc")),
        "data": wanted.data,
        "n_samples": wanted.n_samples,
        "max_new_tokens": wanted.max_new_tokens,
        "best_of": wanted.best_of,
        "checkpoint_step": words[0] if words else max(step for step in steps if isinstance(step, int)),
    }


def _files(task: str, data: str) -> list[Path]:
    """The files on this machine that a task's rows are read from."""
    member = BenchmarkSource(task, data) if task in BENCHMARKS else choice_benchmark(task, data)
    if member is not None:
        return list(member.files())
    return [Path(task)] if Path(task).is_file() else []
