"""Peers that no library ships as a trainer: small subclasses of TRL's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, Trainer
from trl import DistillationTrainer, SFTTrainer
from trl.experimental.gkd import GKDTrainer

IGNORED = -100


class FullLogitSFTTrainer(SFTTrainer):
    """The model's own forward pass with labels: full logits, as in transformers' `Trainer`."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """The loss that the model returns."""
        return Trainer.compute_loss(self, *args, **kwargs)


class GivenAnswersTrainer(DistillationTrainer):
    """TRL's `DistillationTrainer`, which always writes its answers, on given ones instead."""

    def __init__(self, *args: Any, answers: Mapping[tuple[int, ...], list[int]], **kwargs: Any) -> None:
        """Take the answer to each prompt, by the prompt's token ids."""
        super().__init__(*args, **kwargs)
        self._answers = answers

    def _generate_single_turn(
        self, prompt_ids: Sequence[Sequence[int]], *_: Any, **__: Any
    ) -> list[list[int]]:
        # A private method, since TRL 1.16 has no option for it; the measured answer length is compared in
        # `measure.py` with that of the rows, so that another name would not pass unnoticed.
        return [self._answers[tuple(ids)] for ids in prompt_ids]


@dataclass(frozen=True, slots=True)
class PairCollator:
    """Pads what student and teacher read of each row on the right."""

    pad_token_id: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask` and `labels`, and the same with `teacher_` before it."""
        return self._side(rows, "prompt_ids", "") | self._side(rows, "teacher_prompt_ids", "teacher_")

    def _side(self, rows: Sequence[Mapping[str, Any]], column: str, prefix: str) -> dict[str, torch.Tensor]:
        ids = [torch.tensor(row[column] + row["completion_ids"]) for row in rows]
        labels = [torch.tensor([IGNORED] * len(row[column]) + row["completion_ids"]) for row in rows]
        return {
            f"{prefix}input_ids": pad_sequence(ids, True, self.pad_token_id),
            f"{prefix}attention_mask": pad_sequence([torch.ones_like(each) for each in ids], True, 0),
            f"{prefix}labels": pad_sequence(labels, True, IGNORED),
        }


class PublishedRecipeTrainer(SFTTrainer):
    """Cross-entropy and a divergence from a second copy that runs every prompt in full; full logits twice."""

    def __init__(self, *args: Any, teacher_model: PreTrainedModel, divergence: str, **kwargs: Any) -> None:
        """Take the teacher and `mse` (of the teacher's top 256 logits) or `jsd` (GKD's, alone)."""
        pad_token_id = kwargs["processing_class"].pad_token_id
        super().__init__(*args, data_collator=PairCollator(pad_token_id), **kwargs)
        self.teacher_model = self.accelerator.prepare_model(teacher_model, evaluation_mode=True).eval()
        self._divergence = divergence

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], *_: Any, **__: Any) -> torch.Tensor:
        """The recipe's loss, a mean over the answer tokens."""
        student = _answer_logits(model, inputs, "")
        with torch.no_grad():
            teacher = _answer_logits(self.teacher_model, inputs, "teacher_")
        if self._divergence == "jsd":
            return GKDTrainer.generalized_jsd_loss(student[None], teacher[None], beta=0.5) / len(student)
        top = teacher.topk(min(256, teacher.shape[-1]))
        mse = (student.gather(-1, top.indices) - top.values).square().mean()
        labels = inputs["labels"]
        return functional.cross_entropy(student, labels[labels != IGNORED]) + 0.5 * mse


def _answer_logits(model: Any, inputs: Mapping[str, torch.Tensor], prefix: str) -> torch.Tensor:
    """Logits `[N, V]` that predict the answer tokens, out of those of all positions."""
    names = ("input_ids", "attention_mask", "labels")
    ids, mask, labels = (inputs[f"{prefix}{name}"] for name in names)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return logits[:, :-1][labels[:, 1:] != IGNORED].float()
