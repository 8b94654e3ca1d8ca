"""TRL's GRPOTrainer: RLVR on RLVR-IFeval with the rewards of environments/ifeval, or any other task.

    accelerate launch --num_processes 2 --mixed_precision bf16 trl_recipes/grpo.py \
        --config configs/rlvr_qwen1b7.yaml --output_dir experiments/rlvr_qwen1b7/grpo
    accelerate launch --num_processes 2 --mixed_precision bf16 trl_recipes/grpo.py \
        --config configs/grpo_qwen1b7.yaml --task gsm8k --output_dir experiments/gsm8k_qwen1b7/grpo

With `--task` the scorer that evaluates the task rewards its answers: see docs/grpo.md. Any key of the
configuration can be given as an option: `--max_steps 5`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a file: its folder, which Python puts first, has a distill.py that would hide the library.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import yaml
from accelerate import PartialState
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer, ModelConfig, get_peft_config, get_quantization_config

from distill.model.demo_model import resolve_model
from distill.training.checkpoints import resume_path
from distill.training.config_files import parse_run
from distill.training.launch import SETTINGS_FILE, named_tokenizer, refuse_remote_code, run_or_exit
from distill.training.rewarded import (
    Asked,
    build_task_reward,
    check_lengths,
    load_rewarded,
)
from distill.training.task_arguments import TaskArguments
from lm_eval_tasks.benchmarks.rlvr.data import RlvrData, RlvrRow, load_rlvr
from lm_eval_tasks.benchmarks.rlvr.prompts import build_prompt
from lm_eval_tasks.benchmarks.rlvr.revisions import DEFAULT_REVISION, check_revision
from lm_eval_tasks.benchmarks.rlvr.rewards import build_reward, check_mode
from lm_eval_tasks.episodes import same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require
from lm_eval_tasks.files import write_json, write_text
from lm_eval_tasks.sources import open_source

DATA_FILE = "rlvr_data.json"
TASK_DATA_FILE = "task_data.json"
_OF_RLVR = ("reasoning", "reward_mode", "reward_revision")


@dataclass
class RlvrArguments:
    """Rows and rewards."""

    data: str | None = field(
        default=None, metadata={"help": "hub, sample or a folder; default: ICL_DATA_DIR, else hub."}
    )
    num_train_examples: int = field(default=-1, metadata={"help": "At most this many rows; -1: all."})
    num_eval_examples: int = field(default=-1, metadata={"help": "At most this many rows; -1: all."})
    reasoning: bool = field(
        default=False,
        metadata={"help": "Ask for <think>...</think>, judge what follows, reward its form by 0.2."},
    )
    reward_mode: str = field(default="all", metadata={"help": "all or fraction of a row's constraints."})
    reward_revision: str = field(
        default=DEFAULT_REVISION, metadata={"help": "Whose constraint functions judge: main or tulu3."}
    )

    def __post_init__(self) -> None:
        """Check what the loader does not."""
        check_mode(self.reward_mode)
        check_revision(self.reward_revision)


@dataclass(frozen=True, slots=True)
class Job:
    """What is trained on.

    Attributes:
        reward: The reward function.
        train: Rows to train on.
        evaluation: Held-out rows; None: they are not asked for.
        file: Name of the file for `record`.
        record: What was trained on.
        left_out: A sentence about rows that are not.
    """

    reward: Callable[..., list[float]]
    train: Dataset
    evaluation: Dataset | None
    file: str
    record: dict[str, Any]
    left_out: str


def main() -> None:
    """Train once, as the command line says."""
    kinds = (RlvrArguments, TaskArguments, ModelConfig, GRPOConfig)
    (rlvr, task, model_args, args), settings = parse_run(kinds)
    check_together(rlvr, task)
    if not model_args.model_name_or_path:
        raise UserError("model_name_or_path is missing: name a hub model, a folder, or 'demo'.")
    refuse_remote_code(args)
    checkpoint = resume_path(args.resume_from_checkpoint, args.output_dir)
    with PartialState().local_main_process_first():
        model = model_args.model_name_or_path = resolve_model(model_args.model_name_or_path)
        job = task_job(rlvr, task, model_args, args) if task.task else rlvr_job(rlvr, strict=task.strict)
    args.model_init_kwargs = (args.model_init_kwargs or {}) | {
        "revision": model_args.model_revision,
        "attn_implementation": model_args.attn_implementation,
        "dtype": model_args.dtype,
    }
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=job.reward,
        args=args,
        train_dataset=job.train,
        eval_dataset=job.evaluation,
        peft_config=get_peft_config(model_args),
        quantization_config=get_quantization_config(model_args),
    )
    if trainer.is_world_process_zero():
        output_dir = Path(args.output_dir)
        write_text(output_dir / SETTINGS_FILE, yaml.safe_dump(settings, sort_keys=False))
        write_json(output_dir / job.file, job.record)
        counts = f"training rows: {job.record['train']}; held out: {job.record['evaluation']}"
        print(f"{counts}; {job.left_out}", flush=True)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model(args.output_dir)
    if args.push_to_hub:
        trainer.push_to_hub()


def check_together(rlvr: RlvrArguments, task: TaskArguments) -> None:
    """Refuse options that the job would not look at.

    Raises:
        UserError: names the first of them.
    """
    if task.task is None:
        for name in task.given():
            raise UserError(f"--{name} is for --task; without it, RLVR-IFeval is trained on. Leave it out.")
        return
    for one in fields(rlvr):
        if one.name in _OF_RLVR and getattr(rlvr, one.name) != one.default:
            raise UserError(
                f"--{one.name} is for RLVR-IFeval, and the task is {task.task!r}, whose own scorer rewards. "
                "Leave it out."
            )


def rlvr_job(rlvr: RlvrArguments, *, strict: bool) -> Job:
    """RLVR-IFeval.

    Raises:
        UserError: see `load_rlvr`; or, if `strict`, a row cannot be used.
    """
    data = load_rlvr(
        rlvr.data, num_train_examples=rlvr.num_train_examples, num_eval_examples=rlvr.num_eval_examples
    )
    if strict and data.bad_rows:
        first = data.bad_rows[0]
        raise UserError(
            f"{len(data.bad_rows)} rows of RLVR-IFeval cannot be used, the first being {first.where}: "
            f"{first.problem} Mend them, or leave out strict: then they earn nothing."
        )
    train, overlap = without_evaluated(data.train, rlvr.data)
    return Job(
        build_reward(reasoning=rlvr.reasoning, mode=rlvr.reward_mode, revision=rlvr.reward_revision),
        to_dataset(train, reasoning=rlvr.reasoning),
        to_dataset(data.evaluation, reasoning=rlvr.reasoning),
        DATA_FILE,
        data_record(data, train, overlap),
        overlap,
    )


def task_job(rlvr: RlvrArguments, task: TaskArguments, model_args: ModelConfig, args: GRPOConfig) -> Job:
    """Any source of episodes.

    Raises:
        UserError: see `load_rewarded`; or there are too few rows for a step.
    """
    require("eval")
    template = args.chat_template_kwargs or {}
    if others := sorted(template.keys() - {"enable_thinking"}):
        raise UserError(
            f"chat_template_kwargs: {others[0]!r} cannot be told to an evaluation, which is to ask as GRPO "
            "trains; with --task only enable_thinking can be given."
        )
    tokenizer = named_tokenizer(model_args)
    wanted = args.eval_strategy != "no"
    rows = load_rewarded(
        task,
        tokenizer,
        data=rlvr.data,
        num_train=rlvr.num_train_examples,
        num_eval=rlvr.num_eval_examples if wanted else 0,
        enable_thinking=bool(template.get("enable_thinking", False)),
    )
    questions = args.generation_batch_size // args.num_generations
    if len(rows.train) < questions:
        raise UserError(
            f"{task.task}: a step answers {questions} questions (generation_batch_size "
            f"{args.generation_batch_size} / num_generations {args.num_generations}), and there are "
            f"{len(rows.train)} rows to train on. Give more, or lower per_device_train_batch_size or "
            "gradient_accumulation_steps."
        )
    check_lengths(rows, tokenizer, str(model_args.model_name_or_path), args.max_completion_length)
    left = rows.record["left_out"]
    return Job(
        build_task_reward(rows.source, [*rows.train, *rows.evaluation]),
        asked_dataset(rows.train, 0),
        asked_dataset(rows.evaluation, len(rows.train)) if wanted else None,
        TASK_DATA_FILE,
        rows.record,
        "left out: " + ", ".join(f"{reason} {count}" for reason, count in left.items()),
    )


def asked_dataset(rows: list[Asked], first: int) -> Dataset:
    """Columns `prompt` and `row`, the number of the row, counted from `first`."""
    return Dataset.from_dict(
        {"prompt": [row.text for row in rows], "row": list(range(first, first + len(rows)))}
    )


def to_dataset(rows: tuple[RlvrRow, ...], *, reasoning: bool) -> Dataset:
    """`prompt` and `ground_truth` columns.

    With reasoning, the prompt is the environment's. Without, it is the bare question: what the IFEval
    evaluation asks, and what SFT and distillation train on.
    """
    messages = [build_prompt(row.question, reasoning=reasoning) for row in rows]
    return Dataset.from_dict(
        {
            "prompt": [turns if reasoning else turns[-1:] for turns in messages],
            "ground_truth": [row.ground_truth for row in rows],
        }
    )


def without_evaluated(rows: tuple[RlvrRow, ...], data: str | None) -> tuple[tuple[RlvrRow, ...], str]:
    """The rows whose question is no IFEval evaluation prompt, and a sentence about the others."""
    try:
        evaluated = {same_question(one.question) for one in open_source("ifeval", data=data).evaluation()}
    except UserError as error:
        return rows, f"overlap with IFEval's prompts not checked ({error})"
    kept = tuple(row for row in rows if same_question(row.question) not in evaluated)
    return kept, f"rows left out because IFEval evaluates their question: {len(rows) - len(kept)}"


def data_record(data: RlvrData, train: tuple[RlvrRow, ...], overlap: str) -> dict[str, Any]:
    """What was trained on, for the run's folder."""
    bad = [{"where": row.where, "problem": row.problem} for row in data.bad_rows]
    return {"train": len(train), "evaluation": len(data.evaluation), "overlap": overlap, "bad_rows": bad}


if __name__ == "__main__":
    run_or_exit(main)
