"""The folder of a bake: everything that its run reads, so that it can be moved, read and run again."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from distill.pipeline.bake import defaults
from distill.pipeline.bake.plan import Plan
from distill.pipeline.config import BenchmarkRun, Condition, RunConfig, save_run_config
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_text
from lm_eval_tasks.harness.measured import ROWS_TOKENS
from lm_eval_tasks.sources.json_lines import JsonLinesSource
from lm_eval_tasks.sources.row_format import to_row
from lm_eval_tasks.sources.task_folder import write_task_folder

BAKED = "baked"
SFT = "sft_{rate:g}"
TASK = "task"
_ACCELERATE = "accelerate.yaml"


def write_folder(plan: Plan) -> tuple[RunConfig, str | None]:
    """Write the task, the prompt, the training files and `run.yaml`.

    Returns:
        The run, and why no task file for lm-eval is written, if it is not.

    Raises:
        UserError: a training key is unknown or cannot be used.
    """
    folder = plan.request.output
    base, overlay = _training(plan)
    run, why_not = _benchmark(plan)
    for name, settings in (("training.yaml", base), ("distill.yaml", overlay)):
        write_text(folder / name, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    accelerate = plan.request.accelerate_config
    if accelerate:
        write_text(folder / _ACCELERATE, Path(accelerate).read_text(encoding="utf-8"))
    else:
        write_text(folder / _ACCELERATE, yaml.safe_dump(_one_process(plan.cuda)))
    conditions = _conditions(plan)
    config = RunConfig(
        model_name_or_path=plan.model,
        benchmarks={plan.name: run},
        conditions=conditions,
        data=plan.request.data,
        backend=plan.request.backend,
        accelerate_config=_ACCELERATE,
        n_samples=plan.request.n_samples,
        batch_size=plan.request.batch_size,
        dtype=plan.request.dtype or ("bfloat16" if plan.cuda else "float32"),
        seed=plan.request.seed,
        together=True,
    )
    save_run_config(config, folder)
    return config, why_not


def _benchmark(plan: Plan) -> tuple[BenchmarkRun, str | None]:
    """The job as a run file has it, its files copied into the folder."""
    request, folder, source = plan.request, plan.request.output, plan.source
    task, why_not, inputs = plan.spec.task, None, None
    demonstrations = request.demonstrations
    if isinstance(source, JsonLinesSource):
        written = write_task_folder(
            folder / TASK,
            source,
            name=plan.name,
            max_new_tokens=plan.max_new_tokens or ROWS_TOKENS,
            num_fewshot=0,
            privileged=request.privileged,
            privileged_template=request.privileged_template,
        )
        why_not = written.why_not
        inputs = _write_rows(plan, folder / TASK / "inputs.jsonl")
        task = f"{TASK}/task.yaml" if written.yaml else _rows_without_task(source)
        if plan.spec.demonstrations_file:
            demonstrations = None  # they stand in the task's folder
    elif request.inputs:
        inputs = "inputs.jsonl"
        shutil.copyfile(request.inputs, folder / inputs)
    run = BenchmarkRun(
        config="training.yaml",
        num_fewshot=(0, plan.context.num_fewshot) if plan.context.num_fewshot else (0,),
        max_new_tokens=plan.max_new_tokens,
        checkpoint_steps=("best",),
        task=task,
        inputs=inputs,
        train_split=request.train_split,
        demonstrations=demonstrations,
        system_instruction=_write_instruction(plan),
        document=_copy_documents(plan),
        privileged=request.privileged,
        privileged_template=request.privileged_template,
        answers={"n": request.n_answers, "keep": request.keep} if plan.answered else None,
        prompted=(BAKED,),
    )
    return run, why_not


def _rows_without_task(source: JsonLinesSource) -> str:
    raise UserError(
        f"{source.name}: the evaluated rows have different tools, so that no task file can be written. Give all "
        "evaluated rows the same tools."
    )


def _write_rows(plan: Plan, path: Path) -> str:
    rows = plan.source.train()[: plan.request.limit]
    write_text(path, "".join(json.dumps(to_row(row), ensure_ascii=False) + "\n" for row in rows))
    return path.relative_to(plan.request.output).as_posix()


def _write_instruction(plan: Plan) -> str | None:
    if plan.context.system_instruction is None:
        return None
    write_text(plan.request.output / "context" / "system.txt", plan.context.system_instruction)
    return "context/system.txt"


def _copy_documents(plan: Plan) -> tuple[str, ...]:
    names = []
    for document in plan.context.documents:
        write_text(plan.request.output / "context" / document.name, document.text + "\n")
        names.append(f"context/{document.name}")
    return tuple(names)


def _conditions(plan: Plan) -> dict[str, Condition]:
    """Fine-tuning at each learning rate, then the bake."""
    conditions = {}
    shown = plan.context.num_fewshot if plan.demonstrations_only else None
    for rate in defaults.SFT_LEARNING_RATES if plan.has_baseline else ():
        settings = defaults.sft_condition(rate, demonstrations=shown)
        conditions[SFT.format(rate=rate)] = Condition(training=settings)
    return conditions | {BAKED: Condition("distill.yaml")}


def _training(plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """The training files: what all conditions have in common, and what the bake adds."""
    base = defaults.training(plan.rows, hidden_size=plan.hidden_size, cuda=plan.cuda)
    base = {"model_name_or_path": plan.model, "task": plan.spec.task, **base}
    on_policy = plan.request.method == "on_policy"
    limit = plan.max_new_tokens or ROWS_TOKENS
    overlay = defaults.distillation(plan.rows, on_policy=on_policy, max_new_tokens=limit)
    given = plan.request.training
    if given:
        common, own = _sorted_keys(given)
        base |= common
        overlay |= own
    return base, overlay


def _sorted_keys(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Training keys that SFT knows as well, and those of the distillation alone.

    Raises:
        UserError: a key is unknown.
    """
    from dataclasses import fields

    from trl import ModelConfig, SFTConfig

    from distill.training.config import DataArguments, ICLDistillConfig

    common = {f.name for kind in (DataArguments, ModelConfig, SFTConfig) for f in fields(kind)}
    own = {f.name for f in fields(ICLDistillConfig)} - common
    for name in given:
        if name not in common | own:
            raise UserError(f"unknown option --{name}; see --help and the keys of trl_recipes/distill.py.")
    # What decides how fast it learns is the bake's own: fine-tuning tries several.
    own |= {"learning_rate", "lr_scheduler_type", "warmup_steps"}
    return (
        {name: value for name, value in given.items() if name not in own},
        {name: value for name, value in given.items() if name in own},
    )


def _one_process(cuda: bool) -> dict[str, Any]:
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "NO",
        "use_cpu": not cuda,
        "num_processes": 1,
        "num_machines": 1,
        "mixed_precision": "bf16" if cuda else "no",
    }
