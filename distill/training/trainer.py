"""`ICLDistillTrainer`: TRL's `SFTTrainer` with a teacher that reads demonstrations."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from trl import SFTTrainer
from trl.models import unwrap_model_for_generation

from distill.encoding.collator import IGNORED, Batch, DistillCollator, assert_aligned, places
from distill.encoding.prefixes import find_prefixes
from distill.encoding.token_rows import Budgets
from distill.model.demo_model import resolve_model
from distill.model.forward import answer_states, packs_rows
from distill.model.output_head import check_head, head_of
from distill.model.sharding import check_supported, check_trained_dtypes
from distill.objectives.backends import objective_sums
from distill.objectives.chunked import ObjectiveSums, fitting_tokens
from distill.on_policy.batches import COUNTED, GENERATED, OnPolicy, generation_means
from distill.teachers.base import Teacher
from distill.teachers.cached.batch import CachedTeacher
from distill.teachers.cached.store import TargetStore
from distill.teachers.models import MovingAverage, model_teacher, self_teacher
from distill.training.answer_writers import build_on_policy
from distill.training.columns import token_rows
from distill.training.config import ICLDistillConfig
from lm_eval_tasks.errors import UserError

logger = logging.getLogger(__name__)

_OWN = {
    "data_collator": "rows are collated together with what their teacher reads",
    "formatting_func": "prompt, completion and teacher_prompt are columns of the data set",
    "compute_loss_func": "the loss is the objective of the config",
}
"""What SFTTrainer takes and this trainer decides."""


class ICLDistillTrainer(SFTTrainer):
    """Trains a student without demonstrations to predict as a teacher that reads them.

    `train_dataset` has the columns of `distill.training.columns`: `prompt`, `completion`, `teacher_prompt`;
    text, messages or token ids. Everything else is SFTTrainer's: PEFT, accelerate, callbacks, checkpoints,
    `report_to`, `push_to_hub`.
    """

    # The loss is divided by the answer tokens of the whole accumulated batch.
    loss_is_scaled_for_ga = True
    _tag_names = ("trl", "icl-distill")

    def __init__(
        self,
        model: Any,
        args: ICLDistillConfig | None = None,
        *,
        train_dataset: Dataset,
        eval_dataset: Dataset | dict[str, Dataset] | None = None,
        processing_class: PreTrainedTokenizerBase | None = None,
        teacher_max_length: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Build the trainer.

        Args:
            model: As SFTTrainer's: a name, a folder, or a model.
            args: The configuration; default: that of the published recipe.
            train_dataset: Rows to learn from; those that exceed a budget are left out, with a warning.
            eval_dataset: Rows of the same columns, or several sets of them by name.
            processing_class: The tokenizer; default: the model's own.
            teacher_max_length: Token budget of the teacher's prompt and answer; None: none.
            kwargs: Passed to SFTTrainer, such as `peft_config` and `callbacks`.

        Raises:
            UserError: a data set lacks a column, no row of it fits, or an option is this trainer's own.
        """
        for option in _OWN.keys() & kwargs.keys():
            raise UserError(f"{option}: {_OWN[option]}. Leave it out.")
        name = model if isinstance(model, str) else model.config.name_or_path
        if args is None:
            args = ICLDistillConfig(f"{Path(name).name}-ICLDistill")
        if processing_class is None:
            processing_class = AutoTokenizer.from_pretrained(name)
        sets = {"train_dataset": train_dataset} | _named(eval_dataset)
        budgets = Budgets(args.max_length, teacher_max_length)
        with PartialState().local_main_process_first():
            rows = {
                set_name: _fitting(each, processing_class, budgets, set_name, args.dataset_num_proc)
                for set_name, each in sets.items()
            }
        train_dataset = rows.pop("train_dataset")
        store = TargetStore(args.teacher_targets) if args.teacher_targets else None
        if store is not None:
            store.check_objective(args.objective)
        super().__init__(
            model,
            args,
            train_dataset=train_dataset,
            eval_dataset=_as_given(rows, eval_dataset),
            processing_class=processing_class,
            data_collator=DistillCollator.of(processing_class, store.batch if store is not None else None),
            **kwargs,
        )
        self._budgets = budgets
        # SFTTrainer's own loss takes the count as well; without it the trainer would not count at all.
        self.model_accepts_loss_kwargs = True
        self.head = check_head(self.model)
        longest = None if args.generates else _longest(train_dataset, "prompt_ids")
        self.packed = packs_rows(self.model, self.head, longest=longest)
        check_supported(args.teacher, bool(args.teacher_targets), self.head.module, self.is_fsdp_enabled)
        check_trained_dtypes(self.model, deepspeed=self.is_deepspeed_enabled)
        self.objective = args.build_objective()
        vocabulary = self.model.config.get_text_config().vocab_size
        self._chunk_tokens = args.loss_chunk_tokens or fitting_tokens(vocabulary, args.device)
        self.average: MovingAverage | None = None
        self.teacher = self._build_teacher(train_dataset)
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
                turn_end=train_dataset[0]["completion_ids"][-1],
                teacher_max_length=teacher_max_length,
            )

    def _open_student(self) -> AbstractContextManager[Any]:
        return unwrap_model_for_generation(
            self.model_wrapped,
            self.accelerator,
            gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
        )

    def _build_teacher(self, rows: Dataset) -> Teacher | CachedTeacher:
        if self.args.teacher_targets:
            return CachedTeacher()
        options: dict[str, Any] = {"prefixes": [], "shared_prefix": self.args.shared_prefix}
        options["longest"] = None if self.args.generates else _longest(rows, "teacher_prompt_ids")
        if self.args.shared_prefix:
            options["prefixes"] = find_prefixes(rows["teacher_prompt_ids"])
        if self.args.teacher == "self":
            return self_teacher(self.model, self.head, device=self.args.device, **options)
        if self.args.teacher == "model":
            name = resolve_model(self.args.teacher_model_name_or_path)
            return model_teacher(
                name,
                self.model,
                self.processing_class,
                device=self.args.device,
                init_kwargs=self.args.teacher_model_init_kwargs,
                **options,
            )
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

    def evaluate(self, eval_dataset: Any = None, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As SFTTrainer's; a data set of its own has the columns of `train_dataset`.

        Raises:
            UserError: it lacks a column, or no row of it fits.
        """
        if isinstance(eval_dataset, Dataset) and "prompt_ids" not in eval_dataset.column_names:
            workers = self.args.dataset_num_proc
            eval_dataset = _fitting(
                eval_dataset, self.processing_class, self._budgets, "eval_dataset", workers
            )
        return super().evaluate(eval_dataset, *args, **kwargs)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        """As SFTTrainer's, the answers written anew where the config says so, so that theirs are counted."""
        if self.on_policy is None:
            return super().get_batch_samples(epoch_iterator, num_batches, device)
        begun = time.perf_counter()
        batches = list(islice(epoch_iterator, num_batches))
        written, counts = self.on_policy(batches, step=self.state.global_step)
        self._add("train", {name: torch.tensor(counts[name], device=self.args.device) for name in COUNTED})
        samples = super().get_batch_samples(iter(written), num_batches, device)
        self._training_seconds += time.perf_counter() - begun
        return samples

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
        # A generated answer is not gold: there is no cross-entropy to learn from.
        objective = replace(self.objective, ce_weight=0.0) if GENERATED in inputs else self.objective
        with self.accelerator.autocast():
            # Before the student, whose graph is kept: the teacher's memory is free again by then.
            targets = self.teacher.targets(inputs) if objective.distill_weight else None
        routed = {"output_router_logits": True} if self.aux_loss_enabled else {}
        states = answer_states(model, self.head, inputs, packed=self.packed, **routed)
        with self.accelerator.autocast():
            sums = objective_sums(
                states.hidden,
                head_of(self.head),
                labels.flatten()[places(labels != IGNORED, len(states.hidden))],
                targets,
                objective,
                kernel=self.args.loss_kernel,
                chunk_tokens=self._chunk_tokens,
            )
        self._count(sums, states.aux_loss, inputs)
        loss = sums.loss / (sums.tokens if num_items_in_batch is None else num_items_in_batch)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            # The count is over all processes, while DDP averages their gradients.
            loss = loss * (self.accelerator.num_processes // self.get_tp_size())
        if states.aux_loss is None and self.aux_loss_enabled:
            _say_no_aux_loss(self.model.config.model_type)
        if states.aux_loss is not None:
            # As in SFT: a mean of each micro-batch, averaged where the loss answers for the accumulation.
            steps = 1 if num_items_in_batch is None else self.current_gradient_accumulation_steps
            loss = loss + self.router_aux_loss_coef * states.aux_loss / steps
        return loss

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

    def _count(self, sums: ObjectiveSums, aux_loss: torch.Tensor | None, inputs: Batch) -> None:
        gold = float(GENERATED not in inputs)
        counted = {
            "ce": sums.ce * gold,
            "gold_tokens": sums.tokens * gold,
            "divergence": sums.divergence,
            "top1_agreement": sums.agreement,
            "answer_tokens": sums.tokens,
            "student_tokens": inputs["attention_mask"].sum(),
        }
        if aux_loss is not None:
            counted |= {"aux_loss": aux_loss, "batches": torch.ones_like(aux_loss)}
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
        compared = ("divergence", "top1_agreement") if self.objective.distill_weight else ()
        means = {name: values[name] / values["answer_tokens"] for name in compared}
        if values["batches"]:
            means["aux_loss"] = values["aux_loss"] / values["batches"]
        if values["gold_tokens"]:
            means["ce"] = values["ce"] / values["gold_tokens"]
        if mode == "train":
            means["tokens_per_second"] = values["student_tokens"] / self._training_seconds
            self._training_seconds = 0.0
            if self.on_policy is not None:
                means |= generation_means(values)
        return means


@cache
def _say_no_aux_loss(kind: str) -> None:
    logger.warning("%s tells its router's logits but no auxiliary loss: it is trained without", kind)


def _longest(rows: Dataset, prompts: str) -> int:
    """Tokens of the longest row with these prompts."""
    pairs = zip(rows[prompts], rows["completion_ids"], strict=True)
    return max(len(prompt) + len(answer) for prompt, answer in pairs)


def _named(eval_dataset: Dataset | Mapping[str, Dataset] | None) -> dict[str, Dataset]:
    """The evaluation's data sets by the names that messages use."""
    if eval_dataset is None:
        return {}
    if isinstance(eval_dataset, Mapping):
        return {f"eval_dataset[{name}]": each for name, each in eval_dataset.items()}
    return {"eval_dataset": eval_dataset}


def _as_given(
    rows: Mapping[str, Dataset], eval_dataset: Dataset | Mapping[str, Dataset] | None
) -> Dataset | dict[str, Dataset] | None:
    """The tokenised rows in the shape in which `eval_dataset` was given."""
    if isinstance(eval_dataset, Mapping):
        return dict(zip(eval_dataset, rows.values(), strict=True))
    return next(iter(rows.values()), None)


def _fitting(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, budgets: Budgets, name: str, num_proc: int | None
) -> Dataset:
    if not isinstance(dataset, Dataset):
        raise UserError(
            f"{name} must be a datasets.Dataset, not {type(dataset).__name__}: prompts are compared with "
            "each other. Of a stream, take the rows to train on: Dataset.from_list(list(stream.take(n)))."
        )
    rows, dropped = token_rows(dataset, tokenizer, budgets=budgets, name=name, num_proc=num_proc)
    if dropped:
        logger.warning(
            "%s: %d of %d rows exceed a token budget and are left out", name, dropped, len(dataset)
        )
    return rows
