"""How far a student without demonstrations is from the few-shot teacher, on held-out rows.

The figure that says whether distillation works: mean KL(few-shot teacher || 0-shot student) per answer token.
SFT and distillation are measured by the same code on the same rows, before training and at each checkpoint.
What each row adds is kept, so that two measurements can be compared row by row.
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
from distill.model.output_head import Head, OutputHead, gathered, head_of, hidden_states
from distill.teachers.base import Teacher
from distill.training.token_log import FILE as TOKENS
from distill.training.token_log import keep_tokens
from lm_eval_tasks.files import write_json

FILE = "divergence.json"
KL_ROWS = "kl_teacher_rows"
"""Where a step's `Measurement.kl_rows` stand in the file; the rows are named once, beside the steps."""
MEASURED = ("kl_teacher", "top1_agreement", "ce", "kl_zero_shot", "student_entropy", "teacher_entropy")
"""What is measured: KL(few-shot teacher || student), how often both have the same likeliest token, the gold
answer's cross-entropy, KL(0-shot teacher || student), and the entropies of student and few-shot teacher."""

_CONTEXT = ("input_ids", "attention_mask", "labels")
_CHUNK = 128
"""Tokens whose logits exist at once."""


class Measurement(NamedTuple):
    """One student on the held-out rows.

    Attributes:
        means: Per answer token, by the names of `MEASURED`.
        kl_rows: KL(few-shot teacher || student) of each row, summed over its answer tokens.
        tokens: Answer tokens of each row.
        kl_tokens: KL(few-shot teacher || student) of each answer token of each row.
    """

    means: dict[str, float]
    kl_rows: list[float]
    tokens: list[int]
    kl_tokens: list[list[float]]


class _HeldOut(NamedTuple):
    """One batch, the places of its rows, and the teacher's hidden states with and without demonstrations."""

    batch: Batch
    places: list[int]
    few_shot: torch.Tensor
    zero_shot: torch.Tensor


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
        self._rows = rows
        self._collator = collator
        self._teacher = teacher
        self._batch_size = batch_size
        self._batches: list[_HeldOut] | None = None

    @property
    def ids(self) -> list[str]:
        """The rows' ids, in the order of `Measurement.kl_rows`."""
        return [row["id"] for row in self._rows]

    @property
    def answers(self) -> list[list[int]]:
        """The token ids of the rows' answers, likewise."""
        return [row["completion_ids"] for row in self._rows]

    def measure(self, model: nn.Module, head: OutputHead, accelerator: Any) -> Measurement:
        """Measure a student.

        Args:
            model: The student.
            head: Its vocabulary projection.
            accelerator: Of the run; places tensors and gathers sums.
        """
        if self._batches is None:
            self._batches = self._prepare(accelerator)
        longest = max(len(row["completion_ids"]) for row in self._rows)
        shape = len(self._rows), len(MEASURED) + 1
        sums = torch.zeros(shape, dtype=torch.float64, device=accelerator.device)
        each = torch.zeros((len(self._rows), longest), dtype=torch.float64, device=accelerator.device)
        training = model.training
        model.eval()
        try:
            with torch.no_grad(), accelerator.autocast():
                for held_out in self._batches:
                    own = self._per_row(model, head, held_out)
                    # A process with too few rows runs one that has no place.
                    for place, values in zip(held_out.places, own, strict=False):
                        sums[place] = values.double().sum(0)
                        each[place, : len(values)] = values[:, 0].double()
        finally:
            model.train(training)
        sums, each = accelerator.reduce((sums, each), "sum")
        *totals, tokens = sums.sum(0).tolist()
        means = {name: value / tokens for name, value in zip(MEASURED, totals, strict=True)}
        counts = sums[:, -1].long().tolist()
        kl_tokens = [row[:count] for row, count in zip(each.tolist(), counts, strict=True)]
        return Measurement(means, sums[:, 0].tolist(), counts, kl_tokens)

    def _per_row(self, model: nn.Module, head: OutputHead, held_out: _HeldOut) -> list[torch.Tensor]:
        """Of each row of a batch what is measured of its n answer tokens, and a 1, `[n, 7]`."""
        labels = held_out.batch["labels"]
        mask = predicting(labels)
        hidden = hidden_states(
            model,
            head,
            mask,
            input_ids=held_out.batch["input_ids"],
            attention_mask=held_out.batch["attention_mask"],
            use_cache=False,
        )
        student, teacher = head_of(head), head_of(self._teacher.head)
        columns = hidden, held_out.few_shot, held_out.zero_shot, labels[labels != IGNORED]
        with gathered(student, teacher):
            parts = [
                _per_token(own, told, bare, answers, (student, teacher))
                for own, told, bare, answers in zip(*(one.split(_CHUNK) for one in columns), strict=True)
            ]
        return list(torch.cat(parts).split(mask.sum(1).tolist()))

    def _prepare(self, accelerator: Any) -> list[_HeldOut]:
        """This process's batches with the teacher's hidden states.

        Every process has the same number of batches, because sharded models run in step; a process with too
        few runs a row that has no place.
        """
        processes, size = accelerator.num_processes, self._batch_size
        number = math.ceil(math.ceil(len(self._rows) / processes) / size)
        # Rows of like length share a batch, so that little is padding.
        order = sorted(range(len(self._rows)), key=lambda place: self._rows[place]["length"])
        own = order[accelerator.process_index :: processes]
        chunks = [own[start : start + size] for start in range(0, len(own), size)]
        chunks += [[]] * (number - len(chunks))
        batches = []
        for places in tqdm(chunks, desc="few-shot teacher", disable=not accelerator.is_main_process):
            rows = [self._rows[place] for place in places or order[:1]]
            batch = {name: value.to(accelerator.device) for name, value in self._collator(rows).items()}
            with accelerator.autocast():
                few_shot = self._teacher.targets(batch).hidden
                own_context = batch | {f"teacher_{name}": batch[name] for name in _CONTEXT}
                zero_shot = self._teacher.targets(own_context).hidden
            batches.append(_HeldOut(batch, places, few_shot, zero_shot))
        return batches


def _per_token(
    hidden: torch.Tensor,
    few_shot: torch.Tensor,
    zero_shot: torch.Tensor,
    answers: torch.Tensor,
    heads: tuple[Head, Head],
) -> torch.Tensor:
    """What is measured of each of n tokens, and a 1, `[n, 7]`.

    Args:
        hidden: The student's hidden states `[n, H]`.
        few_shot: The teacher's with demonstrations `[n, H]`.
        zero_shot: The teacher's without.
        answers: The gold tokens `[n]`.
        heads: The student's vocabulary projection, and the teacher's.
    """
    student, teacher = heads
    own = student.logits(hidden).log_softmax(-1)
    told = teacher.logits(few_shot).log_softmax(-1)
    found = [
        _dot(told, told - own),
        (own.argmax(-1) == told.argmax(-1)).to(own.dtype),
        -own.gather(-1, answers[:, None])[:, 0],
    ]
    entropies = [-_dot(own, own), -_dot(told, told)]
    del told
    bare = teacher.logits(zero_shot).log_softmax(-1)
    return torch.stack([*found, _dot(bare, bare - own), *entropies, torch.ones_like(found[0])], -1)


def _dot(log_probs: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The mean of `values` `[n, V]` under the distributions `log_probs` `[n, V]`."""
    return (log_probs.exp() * values).sum(-1)


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
        head: OutputHead,
        output_dir: str,
        *,
        early_stop: int = 0,
        texts: Sequence[Sequence[str]] | None = None,
    ) -> None:
        """Attach to a trainer.

        Args:
            trainer: Whose student is measured.
            meter: Measures.
            head: The student's vocabulary projection.
            output_dir: Where `divergence.json` goes.
            early_stop: Training ends after so many measurements in a row without a new lowest; 0: never.
            texts: The answers' tokens as text; with them, what each token adds is kept beside.
        """
        self._texts = texts
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
        self._trainer.log({f"eval_{name}": value for name, value in measured.means.items()})
        self._trainer.model.train(training)
        # Every process reads before one writes: they must agree on when to stop.
        steps = {} if fresh else self._earlier(state.global_step)
        steps |= {str(state.global_step): measured.means | {KL_ROWS: measured.kl_rows}}
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            rows = {"id": self._meter.ids, "tokens": measured.tokens}
            write_json(self._path, {"metric": "kl_teacher", "rows": rows, "steps": steps})
            if self._texts is not None:
                named = {"id": self._meter.ids, "tokens": self._texts}
                means = {step: found["kl_teacher"] for step, found in steps.items()}
                keep_tokens(self._path.with_name(TOKENS), state.global_step, measured.kl_tokens, named, means)
        return steps

    def _earlier(self, step: int) -> dict[str, Any]:
        """What earlier steps measured; a resumed run measures later ones again."""
        if not self._path.is_file():
            return {}
        steps = json.loads(self._path.read_text(encoding="utf-8"))["steps"]
        return {name: value for name, value in steps.items() if int(name) < step}


def _without_progress(steps: Mapping[str, Mapping[str, Any]]) -> int:
    """How many measurements in a row have not been lower than all before."""
    values = [steps[step]["kl_teacher"] for step in sorted(steps, key=int)]
    return len(values) - 1 - values.index(min(values))
