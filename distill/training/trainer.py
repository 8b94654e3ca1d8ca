"""`ICLDistillTrainer`: TRL's `SFTTrainer` with a teacher that reads demonstrations."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase
from trl import SFTTrainer
from trl.models import unwrap_model_for_generation

from distill.encoding.collator import IGNORED, Batch, DistillCollator, assert_aligned
from distill.model.demo_model import resolve_model
from distill.model.forward import answer_states, line_config
from distill.model.output_head import check_head, head_of
from distill.model.sharding import check_supported
from distill.objectives.backends import objective_sums
from distill.objectives.chunked import ObjectiveSums
from distill.on_policy.batches import COUNTED, GENERATED, OnPolicy, generation_means
from distill.teachers.base import Teacher
from distill.teachers.cached.batch import CachedTeacher
from distill.teachers.cached.store import TargetStore
from distill.teachers.models import MovingAverage, model_teacher, self_teacher
from distill.training.answer_writers import build_on_policy
from distill.training.config import ICLDistillConfig


class ICLDistillTrainer(SFTTrainer):
    """Trains a student without demonstrations to predict as a teacher that reads them.

    `train_dataset` holds rows of `distill.encoding.token_rows.Row`. Everything else is SFTTrainer's: PEFT,
    accelerate, callbacks, checkpoints, `report_to`, `push_to_hub`.
    """

    # The loss is divided by the answer tokens of the whole accumulated batch.
    loss_is_scaled_for_ga = True
    _tag_names = ("trl", "icl-distill")

    def __init__(
        self,
        model: Any,
        args: ICLDistillConfig,
        *,
        processing_class: PreTrainedTokenizerBase,
        teacher_prefixes: Sequence[Sequence[int]] = (),
        teacher_max_length: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Build the trainer.

        Args:
            model: As SFTTrainer's: a name, a folder, or a model.
            args: The configuration.
            processing_class: The tokenizer that the rows were made with.
            teacher_prefixes: What the teacher prompts begin with, one entry per fixed set of demonstrations;
                each is run once when `shared_prefix` is on.
            teacher_max_length: Token budget of the teacher's prompt and a generated answer.
            kwargs: Passed to SFTTrainer, such as `train_dataset`, `peft_config` and `callbacks`.
        """
        store = TargetStore(args.teacher_targets) if args.teacher_targets else None
        if store is not None:
            store.check_objective(args.objective)
        super().__init__(
            model,
            args,
            processing_class=processing_class,
            data_collator=DistillCollator.of(processing_class, store.batch if store is not None else None),
            **kwargs,
        )
        # SFTTrainer's own loss takes the count as well; without it the trainer would not count at all.
        self.model_accepts_loss_kwargs = True
        self.head = check_head(self.model)
        self.line_config = line_config(self.model, self.head)
        check_supported(args.teacher, bool(args.teacher_targets), self.head, self.is_fsdp_enabled)
        self.objective = args.build_objective()
        self.average: MovingAverage | None = None
        self.teacher = self._build_teacher(teacher_prefixes)
        self._sums: dict[str, dict[str, torch.Tensor]] = {"train": {}, "eval": {}}
        self._training_seconds = 0.0
        self.on_policy: OnPolicy | None = None
        if args.generates:
            assert isinstance(self.teacher, Teacher)  # the config refuses cached targets of unwritten answers
            self.on_policy = build_on_policy(
                args,
                self.accelerator,
                processing_class,
                self.model,
                self._open_student,
                self.teacher,
                turn_end=self.train_dataset[0]["completion_ids"][-1] if self.train_dataset else None,
                teacher_max_length=teacher_max_length,
            )

    def _open_student(self) -> AbstractContextManager[Any]:
        return unwrap_model_for_generation(
            self.model_wrapped,
            self.accelerator,
            gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
        )

    def _build_teacher(self, prefixes: Sequence[Sequence[int]]) -> Teacher | CachedTeacher:
        if self.args.teacher_targets:
            return CachedTeacher()
        options = {"prefixes": prefixes, "shared_prefix": self.args.shared_prefix}
        if self.args.teacher == "self":
            return self_teacher(self.model, self.head, device=self.args.device, **options)
        if self.args.teacher == "model":
            name = resolve_model(self.args.teacher_model_name_or_path)
            return model_teacher(name, self.model, self.processing_class, device=self.args.device, **options)
        average = MovingAverage(self.model, self.args.ema_decay)
        average.teacher = Teacher(self.model, self.head, active=average.active, **options)
        self.add_callback(average)
        self.average = average
        return average.teacher

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """As SFTTrainer's; a moving-average teacher goes on from the checkpoint's average."""
        if isinstance(resume_from_checkpoint, str) and self.average is not None:
            self.average.restore(resume_from_checkpoint)
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        """As SFTTrainer's, the answers written anew where the config says so, so that theirs are counted."""
        if self.on_policy is None:
            return super().get_batch_samples(epoch_iterator, num_batches, device)
        begun = time.perf_counter()
        written = map(partial(self._answered, self.on_policy), count(), epoch_iterator)
        samples = super().get_batch_samples(written, num_batches, device)
        self._training_seconds += time.perf_counter() - begun
        return samples

    def _answered(self, on_policy: OnPolicy, index: int, batch: Batch) -> Batch:
        batch, counts = on_policy(batch, step=self.state.global_step, index=index)
        self._add("train", {name: torch.tensor(counts[name], device=self.args.device) for name in COUNTED})
        return batch

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """One micro-batch forward and backward, timed."""
        begun = time.perf_counter()
        loss = super().training_step(*args, **kwargs)
        self._training_seconds += time.perf_counter() - begun
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """The objective summed over the batch's answer tokens, divided by `num_items_in_batch`."""
        assert_aligned(inputs)
        labels = inputs["labels"]
        hidden = answer_states(model, self.head, inputs, self.line_config)
        # A generated answer is not gold: there is no cross-entropy to learn from.
        objective = replace(self.objective, ce_weight=0.0) if GENERATED in inputs else self.objective
        with self.accelerator.autocast():
            sums = objective_sums(
                hidden,
                head_of(self.head),
                labels[labels != IGNORED],
                self.teacher.targets(inputs),
                objective,
                kernel=self.args.loss_kernel,
                chunk_tokens=self.args.loss_chunk_tokens,
            )
        self._count(sums, inputs)
        if num_items_in_batch is None:
            return sums.loss / sums.tokens
        loss = sums.loss / num_items_in_batch
        # The count is over all processes, while DDP averages their gradients.
        return loss * self.accelerator.num_processes if self.args.average_tokens_across_devices else loss

    def prediction_step(
        self,
        model: nn.Module,
        inputs: Batch,
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor, None, None]:
        """The loss of one evaluation batch; logits are never made whole, so there are none to return."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad():
            return self.compute_loss(model, inputs), None, None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means per answer token since the last log, over all processes."""
        mode = "train" if self.model.training else "eval"
        prefix = "" if mode == "train" else "eval_"
        logs |= {f"{prefix}{name}": value for name, value in self._means(mode).items()}
        super().log(logs, start_time)

    def _count(self, sums: ObjectiveSums, inputs: Batch) -> None:
        gold = float(GENERATED not in inputs)
        counted = {
            "ce": sums.ce * gold,
            "gold_tokens": sums.tokens * gold,
            "divergence": sums.divergence,
            "top1_agreement": sums.agreement,
            "answer_tokens": sums.tokens,
            "student_tokens": inputs["attention_mask"].sum(),
        }
        self._add("train" if self.model.training else "eval", counted)

    def _add(self, mode: str, counted: dict[str, torch.Tensor]) -> None:
        totals = self._sums[mode]
        for name, value in counted.items():
            value = value.detach().double()
            totals[name] = totals[name] + value if name in totals else value

    def _means(self, mode: str) -> dict[str, float]:
        totals = self._sums[mode]
        if not totals:
            return {}
        summed = self.accelerator.reduce(torch.stack(list(totals.values())), "sum").tolist()
        values = defaultdict(float, zip(totals, summed, strict=True))
        self._sums[mode] = {}
        means = {name: values[name] / values["answer_tokens"] for name in ("divergence", "top1_agreement")}
        if values["gold_tokens"]:
            means["ce"] = values["ce"] / values["gold_tokens"]
        if mode == "train":
            means["tokens_per_second"] = values["student_tokens"] / self._training_seconds
            self._training_seconds = 0.0
            if self.on_policy is not None:
                means |= generation_means(values)
        return means
