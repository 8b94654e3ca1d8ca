"""The training stages of a run: one `accelerate launch` for each benchmark and condition, or one for all."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.pipeline.config import Condition, RunConfig
from distill.pipeline.meaning import Merged
from distill.pipeline.stage import Part, Stage, flags, module_command
from distill.pipeline.tasks import input_files, task_options
from distill.pipeline.view import training_files, view_of
from distill.training.names import FINISHED_FILE
from lm_eval_tasks.errors import UserError

_FIRST_PORT = 29500
_LAUNCH = "accelerate.commands.launch"


def training_stages(
    config: RunConfig, benchmark: str, folder: Path, output_dir: Path, *, after: Sequence[str] = ()
) -> list[Stage]:
    """The trainings of all conditions on one benchmark.

    Args:
        config: The run.
        benchmark: One of its benchmarks.
        folder: Folder of the run file, which its file names are relative to.
        output_dir: Where the run's benchmarks have their folders.
        after: Names of the stages whose results they read.

    Raises:
        UserError: a condition names a GPU that CUDA_VISIBLE_DEVICES hides.
    """
    stages = [_stage(config, benchmark, name, folder, output_dir, after) for name in config.conditions]
    return [_together(config, benchmark, folder, output_dir, stages)] if config.together else stages


def trained_dir(config: RunConfig, benchmark: str, output_dir: Path) -> Path:
    """Where the conditions of a benchmark have their folders."""
    return output_dir / benchmark / "trained" if config.together else output_dir / benchmark


def training_name(benchmark: str, condition: str) -> str:
    """Of the stage, or the part of one, that trains a condition."""
    return f"train-{benchmark}-{condition}"


def _stage(
    config: RunConfig, benchmark: str, condition: str, folder: Path, output_dir: Path, after: Sequence[str]
) -> Stage:
    spec = config.conditions[condition]
    files = training_files(config, benchmark, condition, folder)
    launcher = _launcher(config, folder)
    if spec.devices:
        launcher["num_processes"] = len(spec.devices)
    output = trained_dir(config, benchmark, output_dir) / condition
    options = {
        "model_name_or_path": config.model_name_or_path,
        "seed": config.seed,
        **_data(config, benchmark, condition, folder, output_dir),
        **config.training,
        **spec.training,
        "output_dir": output,
        "resume_from_checkpoint": "auto",
    }
    rows = input_files(config, benchmark, folder)
    return Stage(
        name=training_name(benchmark, condition),
        command=(*module_command(_LAUNCH, **launcher), *_recipe(files), *flags(options)),
        output=output,
        done_when=output / FINISHED_FILE,
        inputs=(*files, *_configs(launcher), *rows),
        meaning={"launch": launcher, "files": rows, "settings": Merged(files, options)},
        after=tuple(after),
        **_placement(spec, list(config.conditions).index(condition), condition),
    )


def _together(
    config: RunConfig, benchmark: str, folder: Path, output_dir: Path, stages: Sequence[Stage]
) -> Stage:
    """One process for the trainings of `stages`; those that are done it passes over."""
    launcher = _launcher(config, folder)
    begin = len(module_command(_LAUNCH, **launcher))
    runs = []
    for stage in stages:
        # -m trl_recipes.NAME, and its arguments
        _, recipe, *argv = stage.command[begin:]
        runs.append({"recipe": recipe.rpartition(".")[2], "argv": argv})
    output = trained_dir(config, benchmark, output_dir)
    command = (*module_command(_LAUNCH, **launcher), "-m", "distill.training.recipes", json.dumps(runs))
    return Stage(
        name=f"train-{benchmark}",
        command=command,
        output=output,
        done_when=stages[-1].done_when,
        inputs=tuple(dict.fromkeys(path for stage in stages for path in stage.inputs)),
        meaning="trainings one after another",
        parts=tuple(Part(one.name, one.output, one.done_when, one.meaning, one.after) for one in stages),
    )


def _launcher(config: RunConfig, folder: Path) -> dict[str, Any]:
    return {"config_file": folder / config.accelerate_config} if config.accelerate_config else {}


def _configs(launcher: dict[str, Any]) -> tuple[Path, ...]:
    return (launcher["config_file"],) if "config_file" in launcher else ()


def _recipe(files: Sequence[Path]) -> list[str]:
    """A training's module, with its files as options."""
    if len(files) == 1:
        return ["-m", "trl_recipes.sft", *flags({"config": files[0]})]
    base, overlay = files
    return ["-m", "trl_recipes.distill", *flags({"base_config": base, "config": overlay})]


def _data(
    config: RunConfig, benchmark: str, condition: str, folder: Path, output_dir: Path
) -> dict[str, Any]:
    """Which rows, and what the teacher reads."""
    run, spec = config.benchmarks[benchmark], config.conditions[condition]
    options = task_options(config, benchmark, folder)
    learns_demonstrations = spec.training.get("learn_from") == "demonstrations"
    if run.answers is not None and not learns_demonstrations:
        options["answers"] = output_dir / benchmark / "answers.jsonl"
    options.pop("metric", None)
    return options | view_of(config, benchmark, folder, condition).taught()


def _placement(spec: Condition, number: int, name: str) -> dict[str, Any]:
    """Bound to its GPUs, with a port of its own."""
    if not spec.devices:
        return {}
    devices = [str(device) for device in spec.devices]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = [device for device in devices if visible and device not in visible.split(",")]
    if hidden:
        raise UserError(
            f"conditions.{name}.devices: {', '.join(hidden)} is not in CUDA_VISIBLE_DEVICES={visible}; name "
            "GPUs of that list, or unset it."
        )
    return {
        "devices": spec.devices,
        "placement": tuple(flags({"main_process_port": _FIRST_PORT + number})),
        "env": {"CUDA_VISIBLE_DEVICES": ",".join(devices)},
    }
