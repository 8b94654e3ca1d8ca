"""The commands of a run, in order, each with what it reads and what it writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.evaluation.data_overlap import OVERLAP_FILE
from distill.pipeline.config import BenchmarkRun, RunConfig
from distill.pipeline.stage import Stage, module_command
from distill.pipeline.training import training_stage
from distill.report.published import RUN_FILE
from lm_eval_tasks.datasets import local_files, resolve_source

_CLI = "distill.cli"


def build_stages(
    config: RunConfig, folder: Path, output_dir: Path, *, first: Sequence[Stage] = ()
) -> list[Stage]:
    """All stages of a run.

    Args:
        config: The run.
        folder: Folder of the run file, which its file names are relative to.
        output_dir: Where everything is written.
        first: Stages that come before.

    Raises:
        UserError: see `training_stage`.
    """
    stages = [*first, _overlap(config, output_dir)]
    for benchmark, run in config.benchmarks.items():
        stages.append(_gap(config, benchmark, run, output_dir))
        trained = [
            training_stage(config, benchmark, condition, folder, output_dir)
            for condition in config.conditions
        ]
        stages += [*trained, _evaluate(config, benchmark, run, folder, output_dir, trained)]
    return [*stages, _report(output_dir, stages)]


def _overlap(config: RunConfig, output_dir: Path) -> Stage:
    output = output_dir / OVERLAP_FILE
    names = tuple(config.benchmarks)
    source = resolve_source(config.data)
    command = module_command(_CLI, "data", "overlap", task=names, data=source, output=output)
    inputs = tuple(path for name in names for path in local_files(name, config.data))
    return Stage("overlap", command, output, output, inputs)


def _gap(config: RunConfig, benchmark: str, run: BenchmarkRun, output_dir: Path) -> Stage:
    output = output_dir / benchmark / "gap.json"
    options = _evaluation_options(config, benchmark, run) | {"num_fewshot": run.num_fewshot, "output": output}
    inputs = tuple(local_files(benchmark, config.data))
    return Stage(f"gap-{benchmark}", module_command(_CLI, "gap", **options), output, output, inputs)


def _evaluate(
    config: RunConfig,
    benchmark: str,
    run: BenchmarkRun,
    folder: Path,
    output_dir: Path,
    trained: Sequence[Stage],
) -> Stage:
    output = output_dir / benchmark / "results.json"
    options = _evaluation_options(config, benchmark, run) | {
        "config": folder / run.config,
        "conditions": tuple(config.conditions),
        "base_dir": output_dir / benchmark,
        "checkpoint_steps": run.checkpoint_steps,
        "output": output,
    }
    command = module_command(_CLI, "eval", **options)
    return Stage(f"eval-{benchmark}", command, output, output, after=tuple(stage.name for stage in trained))


def _report(output_dir: Path, before: Sequence[Stage]) -> Stage:
    output = output_dir / "report"
    command = module_command(_CLI, "report", str(output_dir), "--cards", output=output)
    after = tuple(stage.name for stage in before)
    return Stage("report", command, output, output / "report.md", (output_dir / RUN_FILE,), after)


def _evaluation_options(config: RunConfig, benchmark: str, run: BenchmarkRun) -> dict[str, Any]:
    return {
        "task": benchmark,
        "model": config.model_name_or_path,
        "backend": config.backend,
        "data": resolve_source(config.data),
        "n_samples": run.n_samples if run.n_samples is not None else config.n_samples,
        "max_new_tokens": run.max_new_tokens,
        "batch_size": config.batch_size,
        "dtype": config.dtype,
        "tensor_parallel_size": config.tensor_parallel_size,
        "seed": config.seed,
    }
