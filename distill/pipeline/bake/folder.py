"""The folder of a bake: everything that its run reads, so that it can be moved, read and run again."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from distill.pipeline.bake import defaults
from distill.pipeline.bake.plan import Plan
from distill.pipeline.bake.ranges import check_ranges
from distill.pipeline.bake.request import NO_RETENTION
from distill.pipeline.config import (
    Answers,
    BenchmarkRun,
    Condition,
    Retention,
    RunConfig,
    run_config,
    save_run_config,
)
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
_BESIDE = {False: (24, 64), True: (200, 256)}
"""Rows of each task beside the job, and tokens of an answer, without a GPU and with one.

At 135M parameters on CPUs, 24 rows cost 60 processor seconds a model (CSQA 12, IFEval 31, drift 17,
and the bare model's answers for drift 45).
"""
_OWN_KEYS = ("output_dir", "resume_from_checkpoint", "benchmark", "answers", "learn_from", "enable_thinking")
"""Training keys that a bake sets, or that its evaluation would not follow."""


def write_folder(plan: Plan, folder: Path) -> RunConfig:
    """Write the task, the prompt, the training files and `run.yaml`; returns the run.

    Args:
        plan: What is going to happen, its training files checked.
        folder: Absolute.
    """
    base, overlay = training_files(plan)
    run = _benchmark(plan, folder)
    for name, settings in (("training.yaml", base), ("distill.yaml", overlay)):
        write_text(folder / name, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    accelerate = plan.request.accelerate_config
    if accelerate:
        write_text(folder / _ACCELERATE, Path(accelerate).read_text(encoding="utf-8"))
    else:
        write_text(folder / _ACCELERATE, yaml.safe_dump(_one_process(plan.cuda)))
    data = plan.request.data
    conditions = _conditions(plan)
    keys = {
        "model_name_or_path": plan.model,
        "benchmarks": {plan.name: run},
        "conditions": conditions,
        "data": str(Path(data).resolve()) if data and Path(data).is_dir() else data,
        "backend": plan.request.backend or "hf",
        "accelerate_config": _ACCELERATE,
        "n_samples": plan.request.n_samples,
        "batch_size": plan.request.batch_size,
        "dtype": plan.dtype,
        "seed": plan.request.seed,
        "together": True,
        "retention": retention_of(plan, [name for name in conditions if name != BAKED]),
    }
    config = run_config(keys, "")
    save_run_config(config, folder)
    return config


def _benchmark(plan: Plan, folder: Path) -> BenchmarkRun:
    """The job as a run file has it, its files copied into the folder."""
    request, source = plan.request, plan.source
    task, inputs, demonstrations = plan.spec.task, None, request.demonstrations
    evaluation = None
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
        task, inputs = f"{TASK}/task.yaml", f"{TASK}/inputs.jsonl"
        rows = (json.dumps(to_row(row), ensure_ascii=False) + "\n" for row in plan.learned)
        write_text(folder / inputs, "".join(rows))
        if plan.spec.demonstrations_file:
            demonstrations = None  # they stand in the task's folder
        if written.yaml is None:
            print(f"{written.why_not} The bake itself goes on.", flush=True)
            task, inputs, evaluation = inputs, None, f"{TASK}/eval.jsonl"
            if (folder / TASK / "demonstrations.jsonl").is_file():
                demonstrations = f"{TASK}/demonstrations.jsonl"
    else:
        if task.endswith(".yaml"):  # it may name files beside it, so it stays where it is
            task = str(Path(task).resolve())
        if request.inputs:
            inputs = "inputs.jsonl"
            # Read and written, since it may be this very file.
            write_text(folder / inputs, Path(request.inputs).read_text(encoding="utf-8"))
    return BenchmarkRun(
        config="training.yaml",
        num_fewshot=(0, plan.context.num_fewshot) if plan.context.num_fewshot else (0,),
        max_new_tokens=plan.max_new_tokens,
        checkpoint_steps=("best",),
        task=task,
        inputs=inputs,
        evaluation=evaluation,
        metric=request.metric if evaluation else None,
        train_split=request.train_split,
        demonstrations=demonstrations,
        system_instruction=_write_instruction(plan, folder),
        document=_copy_documents(plan, folder),
        privileged=request.privileged,
        privileged_template=request.privileged_template,
        answers=_answers(plan) if plan.answered else None,
        prompted=(BAKED,) if plan.prompts_evaluated else (),
    )


def _answers(plan: Plan) -> Answers:
    """Options of `icl-distill answers`: gold answers stay, unless several are drawn or they are selected."""
    request = plan.request
    gold = "keep" if request.n_answers == 1 and request.keep == "all" else "rewrite"
    found: dict[str, Any] = {"n": request.n_answers, "keep": request.keep, "gold": gold}
    return Answers(**found, limit=request.limit)


def _write_instruction(plan: Plan, folder: Path) -> str | None:
    if plan.context.system_instruction is None:
        return None
    write_text(folder / "context" / "system.txt", plan.context.system_instruction)
    return "context/system.txt"


def _copy_documents(plan: Plan, folder: Path) -> tuple[str, ...]:
    """Each in a folder of its own: two may have one name."""
    names = []
    for number, document in enumerate(plan.context.documents, start=1):
        names.append(f"context/document-{number}/{document.name}")
        write_text(folder / names[-1], document.text + "\n")
    return tuple(names)


def _conditions(plan: Plan) -> dict[str, Condition]:
    """Fine-tuning at each learning rate, then the bake."""
    conditions = {}
    shown = plan.context.num_fewshot if plan.demonstrations_only else None
    for rate in defaults.sft_learning_rates(plan.hidden_size) if plan.has_baseline else ():
        settings = defaults.sft_condition(rate, demonstrations=shown, some=plan.labelled < plan.rows)
        conditions[SFT.format(rate=rate)] = Condition(training=settings)
    return conditions | {BAKED: Condition("distill.yaml")}


def retention_of(plan: Plan, tries: Sequence[str] = ()) -> Retention | None:
    """What is asked beside the job; of the conditions `tries`, that which scored best."""
    tasks = plan.request.retention
    if tasks == (NO_RETENTION,):
        return None
    rows, longest = _BESIDE[plan.cuda]
    rows = min(plan.request.n_samples or rows, rows)
    tasks = tuple(str(Path(task).resolve()) if Path(task).is_file() else task for task in tasks)
    return Retention(tasks=tasks, n_samples=rows, max_new_tokens=longest, best_of=tuple(tries))


def training_files(plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """The training files: what all conditions have in common, and what the bake adds.

    Raises:
        UserError: a given key is unknown, or the bake's own.
    """
    given = plan.request.training
    common, own = _sorted_keys(given) if given else ({}, {})
    base = {
        "model_name_or_path": plan.model,
        "num_fewshot": plan.context.num_fewshot,
        **defaults.training(
            plan.rows, hidden_size=plan.hidden_size, cuda=plan.cuda, dtype=plan.dtype, given=given
        ),
        **common,
    }
    held_out = base["eval_rows"]
    if plan.request.limit and not plan.is_rows:  # of rows of one's own, no more are written
        base.setdefault("max_train_rows", max(1, plan.rows - held_out))
    overlay = defaults.distillation(
        held_out,
        on_policy=plan.request.method == "on_policy",
        max_new_tokens=plan.max_new_tokens or ROWS_TOKENS,
    )
    return base, overlay | own


def check_training(plan: Plan) -> None:
    """Have the training's own parser read the files, before anything is measured.

    Raises:
        UserError: an option is unknown, or its value cannot be used.
    """
    from trl import ModelConfig, get_peft_config

    from distill.model.lora_targets import check_lora
    from distill.training.config import DataArguments, ICLDistillConfig
    from distill.training.config_files import parse_run

    base, overlay = training_files(plan)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "training.yaml"
        file.write_text(yaml.safe_dump(base | overlay), encoding="utf-8")
        words = ["--config", str(file), "--output_dir", place, "--task", plan.spec.task]
        try:
            (_, model_args, _), _ = parse_run((DataArguments, ModelConfig, ICLDistillConfig), words)
        except ValueError as error:  # a UserError is one, too
            problem = str(error).removeprefix(f"{file}: ")
            raise UserError(f"the training's options cannot be used: {problem}") from None
    check_ranges(plan.request.training, rows=plan.rows, cuda=plan.cuda)
    if any(name.startswith("lora_") for name in plan.request.training) and model_args.use_peft:
        check_lora(plan.model, get_peft_config(model_args))


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
        if name in _OWN_KEYS:
            raise UserError(f"--{name} is no option of a bake; it sets this for the training by itself.")
        if name not in common | own:
            raise UserError(f"unknown option --{name}; see --help and the keys of trl_recipes/distill.py.")
    # What decides how fast it learns is the bake's own (fine-tuning tries several), and so is the end by the
    # divergence from a teacher that fine-tuning does not have.
    own |= {"learning_rate", "lr_scheduler_type", "warmup_steps", "early_stop"}
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
