"""Builds the trainer of a job: every one on the same rows in the same order, same LoRA, same optimizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, PreTrainedModel, Trainer, TrainerCallback
from trl import DistillationConfig, DistillationTrainer, SFTConfig, SFTTrainer
from trl.experimental.gkd import GKDConfig, GKDTrainer
from trl.experimental.sdft import SDFTConfig, SDFTTrainer

from distill import ICLDistillConfig, ICLDistillTrainer

from .jobs import Job
from .peers import FullLogitSFTTrainer, GivenAnswersTrainer, PublishedRecipeTrainer
from .targets import write_targets
from .workload import Workload

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
Build = Callable[[Job, Workload, Path, dict[str, Any]], Trainer]


def build_trainer(job: Job, work: Workload, folder: Path, callback: TrainerCallback) -> Trainer:
    """The trainer of `job`, which calls `callback` and writes to `folder` alone."""
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=LINEAR, task_type="CAUSAL_LM")
    shared = {
        "processing_class": work.tokenizer,
        "peft_config": lora if job.tuning == "lora" else None,
        "callbacks": [callback],
    }
    return _BUILDERS[job.kind](job, work, folder, shared)


def _arguments(job: Job, folder: Path) -> dict[str, Any]:
    """What all configurations are told."""
    return {
        "output_dir": str(folder / "output"),
        "per_device_train_batch_size": job.batch_size,
        "gradient_accumulation_steps": 1,
        "max_steps": job.total_steps,
        # Once, behind the last step: what is logged costs no timed step anything.
        "logging_steps": job.total_steps,
        "learning_rate": 2e-4,
        "lr_scheduler_type": "constant",
        "train_sampling_strategy": "sequential",
        "gradient_checkpointing": job.gradient_checkpointing,
        "bf16": job.device == "cuda",
        "use_cpu": job.device == "cpu",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 0,
    }


def _sft(job: Job, work: Workload, folder: Path, shared: dict[str, Any]) -> Trainer:
    rows = [
        {
            "input_ids": row["prompt_ids"] + row["completion_ids"],
            "completion_mask": [0] * len(row["prompt_ids"]) + [1] * len(row["completion_ids"]),
        }
        for row in work.rows
    ]
    args = SFTConfig(max_length=None, completion_only_loss=True, **_arguments(job, folder))
    trainer = FullLogitSFTTrainer if job.kind == "sft_full" else SFTTrainer
    return trainer(work.load(), args, train_dataset=Dataset.from_list(rows), **shared)


def _gkd(job: Job, work: Workload, folder: Path, shared: dict[str, Any]) -> Trainer:
    rows = [
        {
            "prompt": prompt,
            "input_ids": row["prompt_ids"] + row["completion_ids"],
            "completion_mask": [0] * len(row["prompt_ids"]) + [1] * len(row["completion_ids"]),
        }
        for prompt, row in zip(work.prompts, work.rows, strict=True)
    ]
    args = GKDConfig(max_length=None, lmbda=0.0, beta=0.5, disable_dropout=False, **_arguments(job, folder))
    return GKDTrainer(work.load(), work.load(), args, train_dataset=Dataset.from_list(rows), **shared)


def _distillation(job: Job, work: Workload, folder: Path, shared: dict[str, Any]) -> Trainer:
    rows = Dataset.from_list([{"prompt": prompt} for prompt in work.prompts])
    args = DistillationConfig(
        max_completion_length=job.new_tokens, beta=0.5, shuffle_dataset=False, **_arguments(job, folder)
    )
    if job.kind == "distillation":
        return DistillationTrainer(work.load(), work.load(), args, train_dataset=rows, **shared)
    answers = {tuple(row["prompt_ids"]): row["completion_ids"] for row in work.rows}
    return GivenAnswersTrainer(work.load(), work.load(), args, train_dataset=rows, answers=answers, **shared)


def _sdft(job: Job, work: Workload, folder: Path, shared: dict[str, Any]) -> Trainer:
    rows = [
        {"prompt": prompt, "privileged_context": privileged}
        for prompt, privileged in zip(work.prompts, work.privileged, strict=True)
    ]
    args = SDFTConfig(
        max_completion_length=job.new_tokens,
        max_prompt_length=None,
        teacher_prompt_template="{privileged_context}{prompt}",
        distillation_topk=min(256, work.vocabulary),
        num_generations=1,
        shuffle_dataset=False,
        disable_dropout=False,
        **_arguments(job, folder),
    )
    return SDFTTrainer(_on_disk(job, work, folder), args, train_dataset=Dataset.from_list(rows), **shared)


def _on_disk(job: Job, work: Workload, folder: Path) -> PreTrainedModel:
    """A model that SDFT can load again: without LoRA that is how it makes its teacher."""
    model = work.load()
    if job.tuning == "lora" or model.config.name_or_path:
        return model
    model.save_pretrained(folder / "model")
    loaded = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=model.dtype)
    return loaded.to(model.device)


def _published(job: Job, work: Workload, folder: Path, shared: dict[str, Any]) -> Trainer:
    args = SFTConfig(
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        **_arguments(job, folder),
    )
    return PublishedRecipeTrainer(
        work.load(),
        args,
        train_dataset=Dataset.from_list(_ids(work)),
        teacher_model=work.load(),
        divergence="jsd" if job.kind == "published_jsd" else "mse",
        **shared,
    )


def _ours(job: Job, work: Workload, folder: Path, shared: dict[str, Any]) -> Trainer:
    options: dict[str, Any] = {}
    if job.kind == "cached":
        write_targets(work.rows, folder / "targets", work.vocabulary)
        options = {"teacher_targets": str(folder / "targets")}
    elif job.kind == "ours_jsd":
        options = {"objective": "jsd", "ce_weight": 0.0, "distill_weight": 1.0, "beta": 0.5}
    elif job.kind == "on_policy":
        options = {"lmbda": 1.0, "max_new_tokens": job.new_tokens}
    args = ICLDistillConfig(max_length=None, **_arguments(job, folder), **options)
    return ICLDistillTrainer(work.load(), args, train_dataset=Dataset.from_list(_ids(work)), **shared)


def _ids(work: Workload) -> list[dict[str, Any]]:
    columns = ("id", "prompt_ids", "completion_ids", "teacher_prompt_ids")
    return [{column: row[column] for column in columns} for row in work.rows]


_BUILDERS: dict[str, Build] = {
    "sft_full": _sft,
    "sft": _sft,
    "gkd": _gkd,
    "distillation_given": _distillation,
    "distillation": _distillation,
    "sdft": _sdft,
    "published": _published,
    "published_jsd": _published,
    "ours": _ours,
    "ours_jsd": _ours,
    "cached": _ours,
    "on_policy": _ours,
}
