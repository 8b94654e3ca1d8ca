"""The training stages of a run: one `accelerate launch` for each benchmark and condition."""

import os
from pathlib import Path
from typing import Any

from distill.pipeline.config import IRRELEVANT, Condition, RunConfig
from distill.pipeline.stage import Stage, flags, module_command
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import resolve_source
from lm_eval_tasks.sources.benchmark import BenchmarkSource

_FIRST_PORT = 29500


def training_stage(
    config: RunConfig, benchmark: str, condition: str, folder: Path, output_dir: Path
) -> Stage:
    """The training of one condition on one benchmark.

    Args:
        config: The run.
        benchmark: One of its benchmarks.
        condition: One of its conditions.
        folder: Folder of the run file, which its file names are relative to.
        output_dir: Where the run's benchmarks have their folders.

    Raises:
        UserError: the condition names a GPU that CUDA_VISIBLE_DEVICES hides.
    """
    run, spec = config.benchmarks[benchmark], config.conditions[condition]
    base = folder / run.config
    inputs = [base]
    launcher: dict[str, Any] = {}
    if config.accelerate_config:
        launcher["config_file"] = folder / config.accelerate_config
        inputs.append(launcher["config_file"])
    if spec.devices:
        launcher["num_processes"] = len(spec.devices)
    if spec.config is None:
        recipe = ["-m", "trl_recipes.sft", *flags({"config": base})]
    else:
        inputs.append(folder / spec.config.format(benchmark=benchmark))
        recipe = ["-m", "trl_recipes.distill", *flags({"base_config": base, "config": inputs[-1]})]
    output = output_dir / benchmark / condition
    options = {
        "model_name_or_path": config.model_name_or_path,
        "seed": config.seed,
        "data": resolve_source(config.data),
        **_demonstrations(spec, benchmark),
        **config.training,
        "output_dir": output,
        "resume_from_checkpoint": "auto",
    }
    return Stage(
        name=f"train-{benchmark}-{condition}",
        command=(
            *module_command("accelerate.commands.launch", **launcher),
            *recipe,
            *flags(options),
        ),
        output=output,
        done_when=output / f"checkpoint-{max(run.checkpoint_steps)}" / "trainer_state.json",
        inputs=(*inputs, *BenchmarkSource(benchmark, config.data).files()),
        **_placement(spec, list(config.conditions).index(condition), condition),
    )


def _demonstrations(spec: Condition, benchmark: str) -> dict[str, str]:
    if spec.demonstrations is None:
        return {}
    if spec.demonstrations == IRRELEVANT:
        return {"demonstrations": "fixed", "demonstrations_from": BENCHMARKS[benchmark].unrelated}
    return {"demonstrations": spec.demonstrations}


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
