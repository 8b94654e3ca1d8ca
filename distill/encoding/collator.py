"""Rows -> padded batches, the same answer in both contexts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from distill.encoding.token_rows import Row

IGNORED = -100
"""Label of a token that is not trained on."""

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class DistillCollator:
    """Pads rows on the right into one batch for the student and one for the teacher.

    Notation: B rows, S and C the longest student and teacher sequences.

    Attributes:
        pad_token_id: Fills `input_ids`; masked out, so any id will do.
        cached: Reads the rows' cached targets, which take the teacher's tokens' place in the batch.
    """

    pad_token_id: int
    cached: Callable[[Sequence[Row]], Batch] | None = None

    @classmethod
    def of(
        cls, tokenizer: PreTrainedTokenizerBase, cached: Callable[[Sequence[Row]], Batch] | None = None
    ) -> "DistillCollator":
        """The collator of rows made with `tokenizer`, which may have no padding token."""
        pad = tokenizer.pad_token_id
        return cls(tokenizer.eos_token_id if pad is None else pad, cached)

    def __call__(self, rows: Sequence[Row]) -> Batch:
        """Tensors `input_ids`, `attention_mask`, `labels` `[B, S]`, the same with `teacher_` `[B, C]`.

        With cached targets, those instead of the latter.

        `labels` hold the answer's ids at the answer's own positions, `IGNORED` elsewhere.

        Raises:
            ValueError: a row trains no token, or has no prompt to predict its first answer token from.
            UserError: there are no cached targets of a row, or damaged ones.
        """
        for row in rows:
            if not row["completion_ids"] or not row["prompt_ids"] or not row["teacher_prompt_ids"]:
                raise ValueError(f"row {row['id']}: needs both prompts and at least one answer token.")
        student = self._pad([(row["prompt_ids"], row["completion_ids"]) for row in rows])
        if self.cached is not None:
            return student | self.cached(rows)
        teacher = self._pad([(row["teacher_prompt_ids"], row["completion_ids"]) for row in rows])
        return student | {f"teacher_{name}": value for name, value in teacher.items()}

    def _pad(self, pairs: Sequence[tuple[list[int], list[int]]]) -> Batch:
        ids = [torch.tensor([*prompt, *answer]) for prompt, answer in pairs]
        labels = [torch.tensor([IGNORED] * len(prompt) + answer) for prompt, answer in pairs]
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=self.pad_token_id),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        }


def predicting(labels: torch.Tensor) -> torch.Tensor:
    """Mask `[B, S]` of the positions whose next token is an answer token.

    Args:
        labels: `[B, S]`; the first position never carries a label.
    """
    mask = torch.zeros_like(labels, dtype=torch.bool)
    mask[:, :-1] = labels[:, 1:] != IGNORED
    return mask


def places(mask: torch.Tensor, count: int) -> torch.Tensor:
    """Where `mask` is true, as places in its flattened form `[count]`.

    As a boolean index would have it, but the host does not wait for a GPU to tell how many there are.
    """
    return torch.nonzero_static(mask.flatten(), size=count)[:, 0]


def assert_aligned(batch: Batch) -> None:
    """Check that both contexts end in identical answers; cached targets, that there is one per token.

    Raises:
        AssertionError: they do not; a collator or tokenizer is broken, and training would be meaningless.
    """
    if "target_indices" in batch:
        # The store has checked that they were made from these very answers.
        targets, tokens = len(batch["target_indices"]), int((batch["labels"] != IGNORED).sum())
        if targets != tokens:
            raise AssertionError(f"{targets} cached targets for {tokens} answer tokens")
        return
    student, teacher = _to_the_left(batch["labels"]), _to_the_left(batch["teacher_labels"])
    width = max(student.shape[1], teacher.shape[1])
    student, teacher = (
        functional.pad(each, (0, width - each.shape[1]), value=IGNORED) for each in (student, teacher)
    )
    if not torch.equal(student, teacher):
        raise AssertionError("the answer's token ids differ between the student's and the teacher's context")


def _to_the_left(labels: torch.Tensor) -> torch.Tensor:
    """Each row's labels before all that is ignored, in order."""
    return labels.gather(1, (labels == IGNORED).byte().argsort(dim=1, stable=True))
