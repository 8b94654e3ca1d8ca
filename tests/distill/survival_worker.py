"""Run by test_survival.py: training runs in child processes that die at a chosen moment.

One process imports everything once and forks: `survival_worker.py MODEL FOLDER MOMENT...`. For each moment a
run begins in FOLDER/MOMENT and dies there; then it is started again. A first run is never interrupted.
"""

import os
import resource
import signal
import sys
import traceback
from pathlib import Path

import safetensors.torch
import torch
from datasets import Dataset
from transformers import TrainerCallback, TrainerState
from trl import ModelConfig

from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.launch import model_arguments, prepare, run_or_exit, train
from distill.training.trainer import ICLDistillTrainer

FATAL = 4
"""The step whose checkpoint is being written when a run dies."""


def main(model, output_dir, moment, lora):
    data_args = DataArguments(
        task="gsm8k",
        data="sample",
        num_fewshot=2,
        eval_rows=2,
        max_train_rows=14,  # more than six steps take: max_steps falls within an epoch
        teacher_max_length=2000,
    )
    model_args = ModelConfig(
        model_name_or_path=model, dtype="float32", use_peft=lora, lora_r=4, lora_dropout=0.1,
        lora_target_modules=["q_proj", "v_proj"],
    )  # fmt: skip
    args = ICLDistillConfig(
        output_dir=output_dir, max_steps=6, save_steps=2, logging_steps=1, per_device_train_batch_size=2,
        gradient_checkpointing=False, bf16=False, use_cpu=True, report_to="none", disable_tqdm=True, seed=1,
        top_k=20, teacher="ema", ema_decay=0.5, lmbda=0.5, max_new_tokens=4, resume_from_checkpoint="auto",
    )  # fmt: skip
    run = prepare(data_args, model_args, args, {"model_name_or_path": model})
    trainer = ICLDistillTrainer(
        args=args,
        train_dataset=Dataset.from_list(run.data.train),
        **model_arguments(run),
    )
    trainer.add_callback(Moments(moment))
    train(trainer, run)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Moments(TrainerCallback):
    """Dies between the parts of a step."""

    def __init__(self, moment):
        self._moment = moment

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == FATAL - 1:
            if self._moment == "in a step":
                die()
            if self._moment.startswith("limit"):  # of file sizes, as a full disk: writing fails from here on
                limit = int(self._moment.split()[1])
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def on_log(self, args, state, control, logs=None, **kwargs):
        if state.global_step == FATAL and "eval_kl_teacher" in logs and self._moment == "evaluated":
            die()

    def on_save(self, args, state, control, **kwargs):
        if state.global_step == FATAL and self._moment == "saved":
            die()

    def on_train_end(self, args, state, control, **kwargs):
        if self._moment == "trained":
            die()


def half_written(write, path_at, moment):
    """`write`, but dying halfway through the file that `moment` names."""

    def wrapped(*args, **kwargs):
        write(*args, **kwargs)
        path = Path(args[path_at])
        if path.name == moment and path.parent.name == f"checkpoint-{FATAL}":
            os.truncate(path, path.stat().st_size // 2)
            die()

    return wrapped


def child(model, output_dir, moment, lora=True):
    """Run in a forked process; how it ended, as a shell would say it."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        torch.save = half_written(torch.save, 1, moment)
        TrainerState.save_to_json = half_written(TrainerState.save_to_json, 1, moment)
        for module in (sys.modules[name] for name in ("peft.utils.save_and_load", "peft.peft_model")):
            if hasattr(module, "safe_save_file"):
                module.safe_save_file = half_written(module.safe_save_file, 1, moment)
        sys.modules["distill.teachers.models"].save_file = half_written(
            safetensors.torch.save_file, 1, moment
        )
        run_or_exit(lambda: main(model, output_dir, moment, lora))
        os._exit(0)
    except SystemExit as leaving:
        os._exit(leaving.code or 0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    model, folder, *moments = sys.argv[1:]
    print("whole", child(model, f"{folder}/whole", ""), flush=True)
    print("full", child(model, f"{folder}/full", "", lora=False), flush=True)
    for moment in moments:
        lora = not moment.startswith("limit")
        print(f"{moment}: ended {child(model, f'{folder}/{moment}', moment, lora)}", flush=True)
        left = sorted(path.name for path in Path(folder, moment).glob("checkpoint-*"))
        print(f"{moment}: left {' '.join(left)}", flush=True)
        print(f"{moment}: resumed {child(model, f'{folder}/{moment}', '', lora)}", flush=True)
