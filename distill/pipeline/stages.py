"""The commands of a run, in order, each with what it reads and what it writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.evaluation.data_overlap import OVERLAP_FILE
from distill.pipeline.config import BenchmarkRun, RunConfig
from distill.pipeline.stage import Stage, module_command
from distill.pipeline.tasks import input_files, task_options
from distill.pipeline.training import trained_dir, training_stages
from distill.report.published import RUN_FILE
from lm_eval_tasks.reading import resolve_source
from lm_eval_tasks.sources.benchmark import BenchmarkSource

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
        UserError: see `training_stages`.
    """
    stages = [*first, *_overlap(config, output_dir)]
    for benchmark in config.benchmarks:
        stages += benchmark_stages(config, benchmark, folder, output_dir)
    return [*stages, report_stage(output_dir, stages)]


def benchmark_stages(config: RunConfig, benchmark: str, folder: Path, output_dir: Path) -> list[Stage]:
    """Gap, answers, training and evaluation of one benchmark."""
    run = config.benchmarks[benchmark]
    stages = [_gap(config, benchmark, run, folder, output_dir)]
    if run.answers is not None:
        stages.append(_answers(config, benchmark, run, folder, output_dir))
    after = [stage.name for stage in stages[1:]]
    trained = training_stages(config, benchmark, folder, output_dir, after=after)
    return [*stages, *trained, _evaluate(config, benchmark, run, folder, output_dir, trained)]


def _overlap(config: RunConfig, output_dir: Path) -> list[Stage]:
    """Of this package's benchmarks; other sources refuse or leave out what is evaluated by themselves."""
    names = tuple(name for name, run in config.benchmarks.items() if run.task is None)
    if not names:
        return []
    output = output_dir / OVERLAP_FILE
    source = resolve_source(config.data)
    command = module_command(_CLI, "data", "overlap", task=names, data=source, output=output)
    inputs = tuple(path for name in names for path in BenchmarkSource(name, config.data).files())
    return [Stage("overlap", command, output, output, inputs)]


def _gap(config: RunConfig, benchmark: str, run: BenchmarkRun, folder: Path, output_dir: Path) -> Stage:
    output = output_dir / benchmark / "gap.json"
    options = _evaluation_options(config, benchmark, run, folder)
    options |= {"num_fewshot": run.num_fewshot, "output": output}
    command = module_command(_CLI, "gap", **options)
    return Stage(f"gap-{benchmark}", command, output, output, input_files(config, benchmark, folder))


def _answers(config: RunConfig, benchmark: str, run: BenchmarkRun, folder: Path, output_dir: Path) -> Stage:
    output = output_dir / benchmark / "answers.jsonl"
    options = _evaluation_options(config, benchmark, run, folder)
    options |= {"num_fewshot": max(run.num_fewshot), **(run.answers or {}), "output": output}
    options["inputs"] = task_options(config, benchmark, folder).get("inputs")
    options.pop("n_samples")
    command = module_command(_CLI, "answers", **options)
    return Stage(f"answers-{benchmark}", command, output, output, input_files(config, benchmark, folder))


def _evaluate(
    config: RunConfig,
    benchmark: str,
    run: BenchmarkRun,
    folder: Path,
    output_dir: Path,
    trained: Sequence[Stage],
) -> Stage:
    output = output_dir / benchmark / "results.json"
    options = _evaluation_options(config, benchmark, run, folder) | {
        "config": folder / run.config,
        "conditions": tuple(config.conditions),
        "base_dir": trained_dir(config, benchmark, output_dir),
        "checkpoint_steps": run.checkpoint_steps,
        "output": output,
    }
    if run.prompted:
        options |= {"prompted": run.prompted, "num_fewshot": (max(run.num_fewshot),)}
    command = module_command(_CLI, "eval", **options)
    return Stage(f"eval-{benchmark}", command, output, output, after=tuple(stage.name for stage in trained))


def report_stage(output_dir: Path, before: Sequence[Stage]) -> Stage:
    """The report on everything before it."""
    output = output_dir / "report"
    command = module_command(_CLI, "report", str(output_dir), "--cards", output=output)
    after = tuple(stage.name for stage in before)
    return Stage("report", command, output, output / "report.md", (output_dir / RUN_FILE,), after)


def _evaluation_options(config: RunConfig, benchmark: str, run: BenchmarkRun, folder: Path) -> dict[str, Any]:
    options = task_options(config, benchmark, folder)
    options.pop("inputs", None)
    options.pop("train_split", None)
    if "evaluation" in options:
        options["eval"] = options.pop("evaluation")
    return options | {
        "model": config.model_name_or_path,
        "backend": config.backend,
        "n_samples": run.n_samples if run.n_samples is not None else config.n_samples,
        "max_new_tokens": run.max_new_tokens,
        "batch_size": config.batch_size,
        "dtype": config.dtype,
        "tensor_parallel_size": config.tensor_parallel_size,
        "seed": config.seed,
    }
