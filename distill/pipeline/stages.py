"""The commands of a run, in order, each with what it reads and what it writes."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from distill.evaluation.data_overlap import OVERLAP_FILE
from distill.evaluation.results import SAMPLES
from distill.pipeline.config import BenchmarkRun, RunConfig
from distill.pipeline.retention import retention_stages
from distill.pipeline.stage import Part, Stage, module_command
from distill.pipeline.tasks import input_files, task_options
from distill.pipeline.training import trained_dir, training_name, training_stages
from distill.pipeline.view import view_of
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
    return [*stages, report_stage(config, output_dir, stages)]


def benchmark_stages(config: RunConfig, benchmark: str, folder: Path, output_dir: Path) -> list[Stage]:
    """Gap, answers, training, evaluation and what that costs, of one benchmark."""
    run = config.benchmarks[benchmark]
    stages = [_gap(config, benchmark, run, folder, output_dir)]
    if run.answers is not None:
        stages.append(_answers(config, benchmark, run, folder, output_dir))
    after = [stage.name for stage in stages[1:]]
    trained = training_stages(config, benchmark, folder, output_dir, after=after)
    evaluated = _evaluate(config, benchmark, run, folder, output_dir)
    # Which of several tries is the best one, the evaluation says.
    read = [evaluated] if config.retention and config.retention.best_of else []
    names = [stage.name for stage in (stages[0], *read)]
    cost = retention_stages(config, benchmark, output_dir, after=names)
    return [*stages, *trained, evaluated, *cost]


def _overlap(config: RunConfig, output_dir: Path) -> list[Stage]:
    """Of this package's benchmarks; other sources refuse or leave out what is evaluated by themselves."""
    names = tuple(name for name, run in config.benchmarks.items() if run.task is None)
    if not names:
        return []
    output = output_dir / OVERLAP_FILE
    source = resolve_source(config.data)
    command = module_command(_CLI, "data", "overlap", task=names, data=source, output=output)
    files = {name: BenchmarkSource(name, config.data).files() for name in sorted(names)}
    inputs = tuple(path for paths in files.values() for path in paths)
    return [Stage("overlap", command, output, output, inputs, {"data": source, "files": files})]


def _gap(config: RunConfig, benchmark: str, run: BenchmarkRun, folder: Path, output_dir: Path) -> Stage:
    output = output_dir / benchmark / "gap.json"
    options = _evaluation_options(config, benchmark, run, folder)
    inputs = input_files(config, benchmark, folder)
    return Stage(
        name=f"gap-{benchmark}",
        command=module_command(_CLI, "gap", **options | {"num_fewshot": run.num_fewshot, "output": output}),
        output=output,
        done_when=output,
        inputs=inputs,
        meaning=options | {"files": inputs},
        parts=tuple(Part(f"{k}-shot", output, output) for k in run.num_fewshot),
        beside=_samples(output),
    )


def _answers(config: RunConfig, benchmark: str, run: BenchmarkRun, folder: Path, output_dir: Path) -> Stage:
    output = output_dir / benchmark / "answers.jsonl"
    options = _evaluation_options(config, benchmark, run, folder)
    wished = {} if run.answers is None else dataclasses.asdict(run.answers)
    options |= {"num_fewshot": _shots(config, benchmark, folder), **wished, "output": output}
    options["inputs"] = task_options(config, benchmark, folder).get("inputs")
    options.pop("n_samples")
    command, inputs = module_command(_CLI, "answers", **options), input_files(config, benchmark, folder)
    return Stage(f"answers-{benchmark}", command, output, output, inputs, options | {"files": inputs})


def _evaluate(
    config: RunConfig,
    benchmark: str,
    run: BenchmarkRun,
    folder: Path,
    output_dir: Path,
) -> Stage:
    output = output_dir / benchmark / "results.json"
    options, shots = _evaluation_options(config, benchmark, run, folder), _shots(config, benchmark, folder)
    prompted = {"prompted": run.prompted, "num_fewshot": (shots,)} if run.prompted else {}
    more = {
        "config": folder / run.config,
        "conditions": tuple(config.conditions),
        "base_dir": trained_dir(config, benchmark, output_dir),
        "checkpoint_steps": run.checkpoint_steps,
        "output": output,
    }
    inputs = input_files(config, benchmark, folder)
    return Stage(
        name=f"eval-{benchmark}",
        command=module_command(_CLI, "eval", **options | prompted | more),
        output=output,
        done_when=output,
        inputs=inputs,
        meaning=options | {"files": inputs},
        parts=tuple(_evaluated(config, benchmark, run, output, shots)),
        beside=_samples(output),
        optional=True,
    )


def _evaluated(
    config: RunConfig, benchmark: str, run: BenchmarkRun, output: Path, shots: int
) -> Iterator[Part]:
    """What a sweep does one by one: a condition at a step, bare or with the prompt."""
    for condition in config.conditions:
        for step in run.checkpoint_steps:
            trained = (training_name(benchmark, condition),)
            yield Part(f"{condition} {step}", output, output, after=trained)
            if condition in run.prompted:
                yield Part(f"{condition} {step} prompted", output, output, shots, trained)


def _samples(results: Path) -> tuple[Path, ...]:
    """The rows of a results file."""
    return (results.parent / SAMPLES / results.stem,)


def report_stage(config: RunConfig, output_dir: Path, before: Sequence[Stage]) -> Stage:
    """The report on everything before it, or on as much of it as there is."""
    output = output_dir / "report"
    shown = (list(config.benchmarks), list(config.conditions), config.reported, config.reported_source)
    return Stage(
        name="report",
        command=module_command(_CLI, "report", str(output_dir), "--cards", output=output),
        output=output,
        done_when=output / "report.md",
        inputs=(output_dir / RUN_FILE,),
        meaning=shown,
        after=tuple(stage.name for stage in before),
        report_on=tuple(stage.output for stage in before if stage.name.startswith(("gap-", "eval-"))),
    )


def _shots(config: RunConfig, benchmark: str, folder: Path) -> int:
    """The demonstrations that the teacher reads."""
    return view_of(config, benchmark, folder).num_fewshot


def _evaluation_options(config: RunConfig, benchmark: str, run: BenchmarkRun, folder: Path) -> dict[str, Any]:
    options = task_options(config, benchmark, folder)
    options.pop("inputs", None)
    options.pop("train_split", None)
    if "evaluation" in options:
        options["eval"] = options.pop("evaluation")
    return (
        options
        | view_of(config, benchmark, folder).asked()
        | {
            "model": config.model_name_or_path,
            "backend": config.backend,
            "n_samples": run.n_samples if run.n_samples is not None else config.n_samples,
            "max_new_tokens": run.max_new_tokens,
            "batch_size": config.batch_size,
            "dtype": config.dtype,
            "tensor_parallel_size": config.tensor_parallel_size,
            "model_args": ",".join(f"{name}={value}" for name, value in config.model_args.items()) or None,
            "seed": config.seed,
        }
    )
