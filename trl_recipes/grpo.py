"""RLVR: TRL's GRPOTrainer on RLVR-IFeval with the rewards of environments/ifeval.

    accelerate launch --num_processes 2 --mixed_precision bf16 trl_recipes/grpo.py \
        --config configs/rlvr_qwen1b7.yaml --output_dir experiments/rlvr_qwen1b7/grpo

Any key of the configuration can be given as an option: `--max_steps 5`.
"""

import sys
from dataclasses import dataclass, field
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
from distill.training.launch import SETTINGS_FILE, run_or_exit
from lm_eval_tasks.benchmarks.rlvr.data import RlvrData, RlvrRow, load_rlvr
from lm_eval_tasks.benchmarks.rlvr.prompts import build_prompt
from lm_eval_tasks.benchmarks.rlvr.revisions import DEFAULT_REVISION, check_revision
from lm_eval_tasks.benchmarks.rlvr.rewards import build_reward, check_mode
from lm_eval_tasks.episodes import same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json, write_text
from lm_eval_tasks.sources import open_source

DATA_FILE = "rlvr_data.json"


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


def main() -> None:
    """Train once, as the command line says."""
    (rlvr, model_args, args), settings = parse_run((RlvrArguments, ModelConfig, GRPOConfig))
    if not model_args.model_name_or_path:
        raise UserError("model_name_or_path is missing: name a hub model, a folder, or 'demo'.")
    checkpoint = resume_path(args.resume_from_checkpoint, args.output_dir)
    with PartialState().local_main_process_first():
        model = resolve_model(model_args.model_name_or_path)
        data = load_rlvr(
            rlvr.data, num_train_examples=rlvr.num_train_examples, num_eval_examples=rlvr.num_eval_examples
        )
    train, overlap = without_evaluated(data.train, rlvr.data)
    args.model_init_kwargs = (args.model_init_kwargs or {}) | {
        "revision": model_args.model_revision,
        "attn_implementation": model_args.attn_implementation,
        "dtype": model_args.dtype,
    }
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=build_reward(
            reasoning=rlvr.reasoning, mode=rlvr.reward_mode, revision=rlvr.reward_revision
        ),
        args=args,
        train_dataset=to_dataset(train, reasoning=rlvr.reasoning),
        eval_dataset=to_dataset(data.evaluation, reasoning=rlvr.reasoning),
        peft_config=get_peft_config(model_args),
        quantization_config=get_quantization_config(model_args),
    )
    if trainer.is_world_process_zero():
        output_dir = Path(args.output_dir)
        write_text(output_dir / SETTINGS_FILE, yaml.safe_dump(settings, sort_keys=False))
        write_json(output_dir / DATA_FILE, record := data_record(data, train, overlap))
        print(f"training rows: {record['train']}; held out: {record['evaluation']}; {overlap}", flush=True)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model(args.output_dir)
    if args.push_to_hub:
        trainer.push_to_hub()


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
