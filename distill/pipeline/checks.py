"""Before the first stage: a run file together with its training files."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.pipeline.config import BenchmarkRun, RunConfig
from distill.pipeline.view import check_view, training_files
from lm_eval_tasks.errors import UserError


def check_trainings(config: RunConfig, folder: Path, path: Path) -> None:
    """See that every training can read its settings, and saves what is to be evaluated.

    Args:
        config: The run.
        folder: Folder of the run file, which its file names are relative to.
        path: The run file, for messages.

    Raises:
        UserError: a training file is missing, an option is unknown or has a value that cannot be read, a
            step is never saved, or the gap that is measured is not that of a teacher.
    """
    for benchmark, run in config.benchmarks.items():
        for condition in config.conditions:
            settings = _settings(config, benchmark, condition, folder, path)
            _check_model(settings, f"{path}: condition {condition!r}")
            check_view(config, benchmark, condition, folder, path)
            _check_steps(run, settings, f"{path}: benchmarks.{benchmark}.checkpoint_steps", condition)


def _settings(
    config: RunConfig, benchmark: str, condition: str, folder: Path, path: Path
) -> Mapping[str, Any]:
    """A training's settings, defaults included."""
    from trl import ModelConfig, SFTConfig

    from distill.training.config import DataArguments, ICLDistillConfig
    from distill.training.config_files import merged_settings

    spec = config.conditions[condition]
    files = training_files(config, benchmark, condition, folder)
    places = [f"benchmarks.{benchmark}.config", f"conditions.{condition}.config"]
    for place, file in zip(places, files, strict=False):
        if not file.is_file():
            raise UserError(f"{path}: {place}: {file} does not exist. Mend the run file, or write it.")
    kind = SFTConfig if spec.config is None else ICLDistillConfig
    training = f"of condition {condition!r}, {'SFT' if spec.config is None else 'distillation'}"
    over = [
        (f"{path}: training ({training})", config.training),
        (f"{path}: conditions.{condition}.training", spec.training),
    ]
    return merged_settings((DataArguments, ModelConfig, kind), files, over)


def _check_model(settings: Mapping[str, Any], where: str) -> None:
    """What changes the trained model, and has no counterpart in what is measured."""
    for name, usual in (("model_revision", (None, "main")), ("chat_template_path", (None,))):
        if settings[name] not in usual:
            raise UserError(
                f"{where}: {name} is {settings[name]!r}, and gap and scores are measured without it. Save "
                "model and tokenizer as they are wanted into a folder, and name that as model_name_or_path."
            )


def _check_steps(run: BenchmarkRun, settings: Mapping[str, Any], where: str, condition: str) -> None:
    wanted = [step for step in run.checkpoint_steps if isinstance(step, int)]
    strategy = str(settings["save_strategy"])
    if strategy == "no":
        raise UserError(
            f"{where}: condition {condition!r} saves no checkpoint: save_strategy is 'no'. Set it to 'steps'."
        )
    end, every, limit = (settings[name] or 0 for name in ("max_steps", "save_steps", "save_total_limit"))
    # Without max_steps, how many there are is known only from the rows; the last one is saved in any case.
    if strategy != "steps" or end <= 0 or every <= 0:
        return
    every = math.ceil(end * every) if every < 1 else int(every)
    # With load_best_model_at_end the best one stays as well, whichever it is.
    limit = 0 if settings["load_best_model_at_end"] else max(limit, 0)
    kept = sorted({*range(every, end + 1, every), end})[-limit:]
    if never := [step for step in wanted if step not in kept]:
        shown = ", ".join(map(str, kept[:10])) + (", ..." if len(kept) > 10 else "")
        few = f", save_total_limit {limit}" if limit else ""
        raise UserError(
            f"{where}: {never[0]} is never there to evaluate: condition {condition!r} trains with max_steps "
            f"{end}, save_steps {every}{few}, which leaves {shown}. Choose among them, or "
            "change the training."
        )
