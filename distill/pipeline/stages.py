"""The commands of a run, in order, each with what it reads and what it writes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
    command = _own("report", str(output_dir), "--output", str(report))
    stages.append(
        Stage("report", command, report, report / "report.md", after=tuple(stage.name for stage in stages))
    )
    return stages


def _gap(config: RunConfig, benchmark: str, run: BenchmarkRun, output_dir: Path) -> Stage:
    output = output_dir / benchmark / "gap.json"
    command = _own(
        "gap", "--task", benchmark, "--model", config.model_name_or_path,
        "--num_fewshot", *map(str, run.num_fewshot), *_evaluation_options(config, run, output),
    )  # fmt: skip
    return Stage(f"gap-{benchmark}", command, output, output)


def _train(
    config: RunConfig, benchmark: str, run: BenchmarkRun, condition: str, folder: Path, output_dir: Path,
    max_steps: int | None,
) -> Stage:  # fmt: skip
    output = output_dir / benchmark / condition
    base = folder / run.config
    overlay = config.conditions[condition].config
    launch = [sys.executable, "-m", "accelerate.commands.launch"]
    inputs = [base]
    if config.accelerate_config:
        launch += ["--config_file", str(folder / config.accelerate_config)]
        inputs.append(folder / config.accelerate_config)
    if overlay is None:
        recipe = ["-m", "trl_recipes.sft", "--config", str(base)]
    else:
        merged = folder / overlay.format(benchmark=benchmark)
        recipe = ["-m", "trl_recipes.distill", "--base_config", str(base), "--config", str(merged)]
        inputs.append(merged)
    options = ["--model_name_or_path", config.model_name_or_path, "--seed", str(config.seed)]
    options += ["--data", config.data] if config.data else []
    if max_steps is not None:
        options += ["--max_steps", str(max_steps), "--save_steps", str(max_steps)]
    command = (*launch, *recipe, *options, "--output_dir", str(output), "--resume_from_checkpoint", "auto")
    last = output / f"checkpoint-{max(run.checkpoint_steps)}" / "trainer_state.json"
    return Stage(f"train-{benchmark}-{condition}", command, output, last, tuple(inputs))


def _evaluate(
    config: RunConfig,
    benchmark: str,
    run: BenchmarkRun,
    folder: Path,
    output_dir: Path,
    trained: Sequence[Stage],
) -> Stage:
    output = output_dir / benchmark / "results.json"
    command = _own(
        "eval", "--config", str(folder / run.config), "--task", benchmark,
        "--model", config.model_name_or_path, "--conditions", *config.conditions, "--base_dir", str(output_dir / benchmark),
        "--checkpoint_steps", *map(str, run.checkpoint_steps), *_evaluation_options(config, run, output),
    )  # fmt: skip
    return Stage(f"eval-{benchmark}", command, output, output, after=tuple(stage.name for stage in trained))


def _evaluation_options(config: RunConfig, run: BenchmarkRun, output: Path) -> list[str]:
    n_samples = run.n_samples if run.n_samples is not None else config.n_samples
    return [
        "--output", str(output), "--max_new_tokens", str(run.max_new_tokens),
        "--batch_size", str(config.batch_size), "--dtype", config.dtype, "--tensor_parallel_size", str(config.tensor_parallel_size),
        "--seed", str(config.seed),
        *(["--backend", config.backend] if config.backend else []),
        *(["--data", config.data] if config.data else []),
        *(["--n_samples", str(n_samples)] if n_samples is not None else []),
    ]  # fmt: skip


def _own(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "distill.cli", *arguments)
