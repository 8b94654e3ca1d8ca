"""How far a student without demonstrations is from the few-shot teacher, on held-out rows.

The figure that says whether distillation works: mean KL(few-shot teacher || 0-shot student) per answer token.
SFT and distillation are measured by the same code on the same rows, before training and at each checkpoint.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from distill.encoding.collator import IGNORED, Batch, DistillCollator, predicting
from distill.encoding.token_rows import Row
from distill.model.output_head import Head, gathered, head_of, hidden_states
from distill.objectives.chunked import HiddenTargets, Objective, fused_objective
from distill.teachers.base import Teacher
from lm_eval_tasks.files import write_json

FILE = "divergence.json"
MEASURED = ("kl_teacher", "top1_agreement", "ce", "kl_zero_shot", "student_entropy", "teacher_entropy")
"""What is measured: KL(few-shot teacher || student), how often both have the same likeliest token, the gold
answer's cross-entropy, KL(0-shot teacher || student), and the entropies of student and few-shot teacher."""

_CONTEXT = ("input_ids", "attention_mask", "labels")
_FORWARD_KL = Objective(name="jsd", ce_weight=0.0, distill_weight=1.0, beta=0.0)


class _HeldOut(NamedTuple):
    """One batch, what the teacher's hidden states are with and without demonstrations, and its weight."""

    batch: Batch
    few_shot: torch.Tensor
    zero_shot: torch.Tensor
    weight: float


class DivergenceMeter:
    """Measures a student on held-out rows; the teacher's side is computed once.

    The rows are shared out among processes, and the sums gathered.
    """

    def __init__(
        self, rows: Sequence[Row], collator: DistillCollator, teacher: Teacher, *, batch_size: int
    ) -> None:
        """Keep what is measured on.

        Args:
            rows: Held-out rows, whose teacher prompts are the few-shot ones.
            collator: Makes batches of them.
            teacher: The few-shot teacher.
            batch_size: Rows of a forward pass.
        """
        # Rows of like length share a batch, so that little is padding.
        self._rows = sorted(rows, key=lambda row: row["length"])
        self._collator = collator
        self._teacher = teacher
        self._batch_size = batch_size
        self._batches: list[_HeldOut] | None = None

    def measure(self, model: nn.Module, head: nn.Module, accelerator: Any) -> dict[str, float]:
        """Means per answer token; see `MEASURED`.

        Args:
            model: The student.
            head: Its vocabulary projection.
            accelerator: Of the run; places tensors and gathers sums.
        """
        if self._batches is None:
            self._batches = self._prepare(accelerator)
        totals = torch.zeros(len(MEASURED) + 1, dtype=torch.float64, device=accelerator.device)
        training = model.training
        model.eval()
        try:
            with torch.no_grad(), accelerator.autocast():
                for held_out in self._batches:
                    totals += held_out.weight * self._sums(model, head, held_out).double()
        finally:
            model.train(training)
        *sums, tokens = accelerator.reduce(totals, "sum").tolist()
        return {name: value / tokens for name, value in zip(MEASURED, sums, strict=True)}

    def _sums(self, model: nn.Module, head: nn.Module, held_out: _HeldOut) -> torch.Tensor:
        labels = held_out.batch["labels"]
        hidden = hidden_states(
            model,
            head,
            predicting(labels),
            input_ids=held_out.batch["input_ids"],
            attention_mask=held_out.batch["attention_mask"],
            use_cache=False,
        )
        student, teacher = head_of(head), head_of(self._teacher.head)
        few_shot, zero_shot = (
            fused_objective(
                hidden, student, labels[labels != IGNORED], HiddenTargets(its, teacher), _FORWARD_KL
            )
            for its in (held_out.few_shot, held_out.zero_shot)
        )
        with gathered(student, teacher):
            entropies = [_entropy(hidden, student), _entropy(held_out.few_shot, teacher)]
        sums = [few_shot.divergence, few_shot.agreement, few_shot.ce, zero_shot.divergence, *entropies]
        return torch.stack([*sums, few_shot.tokens])

    def _prepare(self, accelerator: Any) -> list[_HeldOut]:
        """This process's batches with the teacher's hidden states and a weight.

        Every process has the same number of batches, because sharded models run in step; a process with too
        few repeats one with weight 0.
        """
        processes, size = accelerator.num_processes, self._batch_size
        number = math.ceil(math.ceil(len(self._rows) / processes) / size)
        rows = self._rows[accelerator.process_index :: processes]
        chunks = [(rows[start : start + size], 1.0) for start in range(0, len(rows), size)]
        chunks += [(self._rows[:1], 0.0)] * (number - len(chunks))
        batches = []
        for chunk, weight in tqdm(chunks, desc="few-shot teacher", disable=not accelerator.is_main_process):
            batch = {name: value.to(accelerator.device) for name, value in self._collator(chunk).items()}
            with accelerator.autocast():
                few_shot = self._teacher.targets(batch).hidden
                own_context = batch | {f"teacher_{name}": batch[name] for name in _CONTEXT}
                zero_shot = self._teacher.targets(own_context).hidden
            batches.append(_HeldOut(batch, few_shot, zero_shot, weight))
        return batches


def _entropy(hidden: torch.Tensor, head: Head) -> torch.Tensor:
    """Summed entropy of the predictions of hidden states `[N, H]`."""
    total = hidden.new_zeros((), dtype=torch.float32)
    for chunk in hidden.split(256):
        log_probs = head.logits(chunk).log_softmax(-1)
        total -= (log_probs.exp() * log_probs).sum()
    return total


class _Trainer(Protocol):
    """What the callback needs of a trainer."""

    accelerator: Any
    model: nn.Module

    def log(self, logs: dict[str, float]) -> None: ...


class DivergenceCallback(TrainerCallback):
    """Measures before the first step and with every checkpoint; logs, and keeps `divergence.json`."""

    def __init__(
        self,
        trainer: _Trainer,
        meter: DivergenceMeter,
        head: nn.Module,
        output_dir: str,
        *,
        early_stop: int = 0,
    ) -> None:
        """Attach to a trainer.

        Args:
            trainer: Whose student is measured.
            meter: Measures.
            head: The student's vocabulary projection.
            output_dir: Where `divergence.json` goes.
            early_stop: Training ends after so many measurements in a row without a new lowest; 0: never.
        """
        self._early_stop = early_stop
        self._trainer = trainer
        self._meter = meter
        self._head = head
        self._path = Path(output_dir) / FILE

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure the untrained student; a resumed run has done so."""
        if state.global_step == 0:
            self._record(state, fresh=True)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure where a checkpoint is about to be saved, so that its log holds the figure."""
        if control.should_save:
            should_log = control.should_log
            steps = self._record(state)
            if self._early_stop and _without_progress(steps) >= self._early_stop:
                control.should_training_stop = True
            # Logging the figure counts as logging the step; the loss is still to come.
            control.should_log = should_log

    def _record(self, state: TrainerState, fresh: bool = False) -> dict[str, Any]:
        """Measure, log and keep; what all steps so far measured."""
        accelerator = self._trainer.accelerator
        measured = self._meter.measure(self._trainer.model, self._head, accelerator)
        training = self._trainer.model.training
        # The trainer's log files what comes in evaluation mode apart from the training's running means.
        self._trainer.model.eval()
        self._trainer.log({f"eval_{name}": value for name, value in measured.items()})
        self._trainer.model.train(training)
        # Every process reads before one writes: they must agree on when to stop.
        steps = {} if fresh else self._earlier(state.global_step)
        steps |= {str(state.global_step): measured}
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            write_json(self._path, {"metric": "kl_teacher", "steps": steps})
        return steps

    def _earlier(self, step: int) -> dict[str, Any]:
        """What earlier steps measured; a resumed run measures later ones again."""
        if not self._path.is_file():
            return {}
        steps = json.loads(self._path.read_text(encoding="utf-8"))["steps"]
        return {name: value for name, value in steps.items() if int(name) < step}


def _without_progress(steps: Mapping[str, Mapping[str, float]]) -> int:
    """How many measurements in a row have not been lower than all before."""
    values = [steps[step]["kl_teacher"] for step in sorted(steps, key=int)]
    return len(values) - 1 - values.index(min(values))
