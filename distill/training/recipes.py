"""The two recipes: SFT on gold answers, and distillation from a teacher that reads more.

`trl_recipes/sft.py` and `trl_recipes/distill.py` start one of them. Several are trained one after another in
one process, which loads the libraries once, by `python -m distill.training.recipes JSON`::

    [{"recipe": "sft", "argv": ["--config", "a.yaml", "--output_dir", "out/a"]}, ...]

A run that has finished is passed over, an interrupted one goes on.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from datasets import Dataset
from trl import ModelConfig, SFTConfig, SFTTrainer

from distill.encoding.collator import IGNORED
from distill.encoding.token_rows import Row
from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.config_files import parse_run
from distill.training.launch import (
    check_teacher_targets,
    has_finished,
    model_arguments,
    prepare,
    run_or_exit,
    train,
)
from distill.training.trainer import ICLDistillTrainer


def train_sft(argv: Sequence[str] | None = None) -> None:
    """TRL's SFTTrainer on the rows that distillation trains on; `argv`: default: the process's own."""
    (data_args, model_args, args), settings = parse_run((DataArguments, ModelConfig, SFTConfig), argv)
    run = prepare(data_args, model_args, args, settings)
    run.args.dataset_kwargs = {"skip_prepare_dataset": True}
    dataset = Dataset.from_list([_labelled(row) for row in run.data.train])
    train(SFTTrainer(args=run.args, train_dataset=dataset, **model_arguments(run)), run)


def train_distill(argv: Sequence[str] | None = None) -> None:
    """`ICLDistillTrainer` with the teacher that the configuration names."""
    kinds = (DataArguments, ModelConfig, ICLDistillConfig)
    (data_args, model_args, args), settings = parse_run(kinds, argv)
    run = prepare(data_args, model_args, args, settings)
    check_teacher_targets(run)
    trainer = ICLDistillTrainer(
        args=run.args,
        train_dataset=Dataset.from_list(run.data.train),
        teacher_max_length=data_args.teacher_max_length,
        **model_arguments(run),
    )
    train(trainer, run)


RECIPES: Mapping[str, Callable[[Sequence[str] | None], None]] = {
    "sft": train_sft,
    "distill": train_distill,
}


def train_several(runs: str) -> None:
    """Train those of the runs (JSON text) that have not finished, in their order."""
    for run in json.loads(runs):
        if not has_finished(Path(run["argv"][run["argv"].index("--output_dir") + 1])):
            RECIPES[run["recipe"]](run["argv"])


def _labelled(row: Row) -> dict[str, object]:
    """A row as SFTTrainer's own collator takes it."""
    prompt, answer = row["prompt_ids"], row["completion_ids"]
    labels = [IGNORED] * len(prompt) + answer
    return {"input_ids": prompt + answer, "labels": labels, "length": row["length"]}


if __name__ == "__main__":
    run_or_exit(lambda: train_several(sys.argv[1]))
