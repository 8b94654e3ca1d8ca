"""The commands of a run, in order, each with what it reads and what it writes."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.pipeline.config import BenchmarkRun, RunConfig


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of a run.

    Attributes:
        name: Such as `train-gsm8k-baseline`.
        command: Program and arguments.
        output: The file or folder that it writes.
        inputs: Files whose content decides its result.
        after: Names of the stages whose results it reads.
        done_when: A path that exists only once it has finished.
    """

    name: str
    command: tuple[str, ...]
    output: Path
    done_when: Path
    inputs: tuple[Path, ...] = ()
    after: tuple[str, ...] = ()


def build_stages(config: RunConfig, folder: Path, output_dir: Path, *, max_steps: int | None) -> list[Stage]:
    """All stages of a run.

    Args:
        config: The run.
        folder: Folder of the run file, which its file names are relative to.
        output_dir: Where everything is written.
        max_steps: Training ends at this step, if given.
    """
    stages: list[Stage] = []
    for benchmark, run in config.benchmarks.items():
        stages.append(_gap(config, benchmark, run, output_dir))
        trained = [
            _train(config, benchmark, run, condition, folder, output_dir, max_steps)
            for condition in config.conditions
        ]
        stages += [*trained, _evaluate(config, benchmark, run, folder, output_dir, trained)]
    report = output_dir / "report"
    command = _own("report", str(output_dir), output=report)
    stages.append(
        Stage("report", command, report, report / "report.md", after=tuple(stage.name for stage in stages))
    )
    return stages


def _gap(config: RunConfig, benchmark: str, run: BenchmarkRun, output_dir: Path) -> Stage:
    output = output_dir / benchmark / "gap.json"
    options = _evaluation_options(config, benchmark, run) | {"num_fewshot": run.num_fewshot, "output": output}
    return Stage(f"gap-{benchmark}", _own("gap", **options), output, output)


def _train(
    config: RunConfig,
    benchmark: str,
    run: BenchmarkRun,
    condition: str,
    folder: Path,
    output_dir: Path,
    max_steps: int | None,
) -> Stage:
    output = output_dir / benchmark / condition
    launch = [sys.executable, "-m", "accelerate.commands.launch"]
    inputs = [folder / run.config]
    if config.accelerate_config:
        inputs.append(folder / config.accelerate_config)
        launch += _flags({"config_file": inputs[-1]})
    overlay = config.conditions[condition].config
    if overlay is None:
        launch += ["-m", "trl_recipes.sft", *_flags({"config": inputs[0]})]
    else:
        inputs.append(folder / overlay.format(benchmark=benchmark))
        launch += ["-m", "trl_recipes.distill", *_flags({"base_config": inputs[0], "config": inputs[-1]})]
    launch += _flags(
        {
            "model_name_or_path": config.model_name_or_path,
            "seed": config.seed,
            "data": config.data,
            "max_steps": max_steps,
            "save_steps": max_steps,
            "output_dir": output,
            "resume_from_checkpoint": "auto",
        }
    )
    last = output / f"checkpoint-{max(run.checkpoint_steps)}" / "trainer_state.json"
    return Stage(f"train-{benchmark}-{condition}", tuple(launch), output, last, tuple(inputs))


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
    after = tuple(stage.name for stage in trained)
    return Stage(f"eval-{benchmark}", _own("eval", **options), output, output, after=after)


def _evaluation_options(config: RunConfig, benchmark: str, run: BenchmarkRun) -> dict[str, Any]:
    return {
        "task": benchmark,
        "model": config.model_name_or_path,
        "backend": config.backend,
        "data": config.data,
        "n_samples": run.n_samples if run.n_samples is not None else config.n_samples,
        "max_new_tokens": run.max_new_tokens,
        "batch_size": config.batch_size,
        "dtype": config.dtype,
        "tensor_parallel_size": config.tensor_parallel_size,
        "seed": config.seed,
    }


def _own(command: str, *positional: str, **options: Any) -> tuple[str, ...]:
    return (sys.executable, "-m", "distill.cli", command, *positional, *_flags(options))


def _flags(options: Mapping[str, Any]) -> list[str]:
    """`--name value ...` for each option that is set."""
    flags: list[str] = []
    for name, value in options.items():
        if value is not None:
            flags += [f"--{name}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return flags
