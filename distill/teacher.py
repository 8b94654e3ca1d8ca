"""The teacher: a frozen model that reads the demonstrations and scores the answer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from peft import PeftModel
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from distill.collator import Batch, predicting
from distill.forward import head_of, hidden_states
from distill.fused import HiddenTargets
from distill.prefix import SharedPrefix, attention_mask, lay_out


def common_prefix(prompts: Sequence[Sequence[int]]) -> list[int]:
    """The longest token sequence that all prompts begin with."""
    # What the lexicographically first and last share, all between them share too.
    ordered = sorted(map(list, prompts))
    first, last = ordered[0], ordered[-1]
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]


class Teacher:
    """Scores answers under the teacher's prompts, at answer positions only.

    The prefix that all prompts share is run once, at the first batch, and its keys and values are kept.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        head: nn.Module,
        *,
        prefix_ids: Sequence[int] = (),
        active: Callable[[], AbstractContextManager[object]] = nullcontext,
        shared_prefix: bool = True,
    ) -> None:
        """Wrap a model.

        Args:
            model: Runs the teacher's forward passes.
            head: Its vocabulary projection.
            prefix_ids: What the teacher prompts begin with; rows that share less of it stay correct.
            active: Context in which `model` is the teacher, such as PEFT's `disable_adapter`.
            shared_prefix: False runs every row in full.
        """
        self.model = model
        self.head = head
        self._prefix_ids = prefix_ids
        self._active = active
        self._shared_prefix = shared_prefix
        self._prefix: SharedPrefix | None = None

    def with_prefix(self, prefix_ids: Sequence[int]) -> "Teacher":
        """The same teacher for prompts that begin otherwise; itself, if they begin alike."""
        if list(prefix_ids) == list(self._prefix_ids):
            return self
        return Teacher(
            self.model,
            self.head,
            prefix_ids=prefix_ids,
            active=self._active,
            shared_prefix=self._shared_prefix,
        )

    def targets(self, batch: Batch) -> HiddenTargets:
        """Hidden states `[N, H]` that predict the batch's N answer tokens, row by row, and the head."""
        with self._teaching():
            hidden = self._in_lines(batch) if self._shared_prefix else self._in_full(batch)
            return HiddenTargets(hidden, head_of(self.head))

    @contextmanager
    def _teaching(self) -> Iterator[None]:
        # Training mode would turn on dropout, and gradient checkpointing would drop the prefix' cache.
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), self._active():
                yield
        finally:
            self.model.train(training)

    def _in_full(self, batch: Batch) -> torch.Tensor:
        return hidden_states(
            self.model,
            self.head,
            predicting(batch["teacher_labels"]),
            input_ids=batch["teacher_input_ids"],
            attention_mask=batch["teacher_attention_mask"],
            use_cache=False,
        )

    def _in_lines(self, batch: Batch) -> torch.Tensor:
        ids, mask = batch["teacher_input_ids"], predicting(batch["teacher_labels"])
        if self._prefix is None:
            self._prefix = SharedPrefix.build(self.model, self._prefix_ids, ids.device)
        lengths = batch["teacher_attention_mask"].sum(-1)
        shared = self._prefix.shared_lengths(ids, lengths - mask.sum(-1))
        spans = list(zip(shared, lengths.tolist(), strict=True))
        suffixes = [row[begin:end] for row, (begin, end) in zip(ids, spans, strict=True)]
        wanted = [row[begin:end] for row, (begin, end) in zip(mask, spans, strict=True)]
        hidden = []
        for line in lay_out(suffixes, shared, len(self._prefix.ids)):
            hidden.append(
                hidden_states(
                    self.model,
                    self.head,
                    torch.cat([wanted[row] for row in line.rows])[None],
                    input_ids=line.input_ids,
                    position_ids=line.position_ids,
                    attention_mask=attention_mask(line, self.model.config),
                    past_key_values=self._prefix.cache,
                    use_cache=self._prefix.cache is not None,
                )
            )
        return torch.cat(hidden)


def build_teacher(
    student: nn.Module, head: nn.Module, *, prefix_ids: Sequence[int], shared_prefix: bool = True
) -> Teacher:
    """The student's own base model as its teacher.

    With PEFT that is the student itself, its adapter switched off: no second copy of the weights. Without, it
    is a frozen copy made now.

    Args:
        student: The unwrapped student, before training.
        head: Its vocabulary projection.
        prefix_ids: As in `Teacher`.
        shared_prefix: As in `Teacher`.
    """
    if isinstance(student, PeftModel):
        return Teacher(
            student, head, prefix_ids=prefix_ids, active=student.disable_adapter, shared_prefix=shared_prefix
        )
    frozen = _frozen_copy(student)
    return Teacher(frozen, frozen.get_output_embeddings(), prefix_ids=prefix_ids, shared_prefix=shared_prefix)


def _frozen_copy(model: PreTrainedModel) -> PreTrainedModel:
    # Not deepcopy: TRL rebinds the student's forward, and a copy's would still run the student.
    frozen = AutoModelForCausalLM.from_config(
        model.config, dtype=model.dtype, attn_implementation=model.config._attn_implementation
    )
    frozen.load_state_dict(model.state_dict())
    return frozen.to(model.device).requires_grad_(False).eval()
