"""The teacher: a frozen model that reads the demonstrations and scores the answer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from peft import PeftModel
from torch import nn
from transformers import GenerationConfig, PreTrainedModel

from distill.encoding.collator import Batch, predicting
from distill.model.output_head import head_of, hidden_states
from distill.model.packed_attention import Line, lay_out, line_inputs, use_rows_attention
from distill.model.prefix_cache import SharedPrefix
from distill.model.sampling import sample
from distill.model.sharding import is_sharded, most_of
from distill.objectives.chunked import HiddenTargets


class Teacher:
    """Scores answers under the teacher's prompts, at answer positions only.

    What prompts begin with is run once, at the first batch, and its keys and values are kept.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        head: nn.Module,
        *,
        prefixes: Sequence[Sequence[int]] = (),
        active: Callable[[], AbstractContextManager[object]] = nullcontext,
        shared_prefix: bool = True,
    ) -> None:
        """Wrap a model.

        Args:
            model: Runs the teacher's forward passes.
            head: Its vocabulary projection.
            prefixes: What teacher prompts begin with, one entry per set of demonstrations; a prompt that
                shares less of any of them, or nothing, stays correct.
            active: Context in which `model` is the teacher, such as PEFT's `disable_adapter`.
            shared_prefix: False runs every row in full.
        """
        self.model = model
        self.head = head
        self._prefix_ids = [list(ids) for ids in prefixes] or [[]]
        self._active = active
        self._shared_prefix = shared_prefix
        self._prefixes: list[SharedPrefix] | None = None
        if shared_prefix:
            use_rows_attention(model)

    def with_prefixes(self, prefixes: Sequence[Sequence[int]]) -> "Teacher":
        """The same teacher for prompts that begin otherwise; itself, if they begin alike."""
        if [list(ids) for ids in prefixes] == self._prefix_ids:
            return self
        return Teacher(
            self.model,
            self.head,
            prefixes=prefixes,
            active=self._active,
            shared_prefix=self._shared_prefix,
        )

    def targets(self, batch: Batch) -> HiddenTargets:
        """Hidden states `[N, H]` that predict the batch's N answer tokens, row by row, and the head."""
        with self._teaching():
            hidden = self._in_lines(batch) if self._shared_prefix else self._in_full(batch)
            return HiddenTargets(hidden, head_of(self.head))

    def sampled(self, prompts: Sequence[Sequence[int]], config: GenerationConfig) -> list[list[int]]:
        """An answer of the teacher's own to each of its prompts; see `sample`."""
        with self._teaching():
            only = self._shared_prefix and len(self._prefix_ids) == 1
            prefix = self._built_prefixes(self.model.device)[0] if only else None
            return sample(self.model, prompts, config, prefix)

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

    def forget(self) -> None:
        """Drop what was kept of the prefixes, because the teacher's weights have changed."""
        self._prefixes = None

    def _in_lines(self, batch: Batch) -> torch.Tensor:
        ids, mask = batch["teacher_input_ids"], predicting(batch["teacher_labels"])
        prefixes = self._built_prefixes(ids.device)
        lengths = batch["teacher_attention_mask"].sum(-1)
        shared = torch.stack([each.shared_lengths(ids, lengths - mask.sum(-1)) for each in prefixes])
        most, chosen = shared.max(0)
        begins, ends = most.tolist(), lengths.tolist()
        runs = []
        for index, prefix in enumerate(prefixes):
            rows = (chosen == index).nonzero()[:, 0].tolist()
            suffixes = [ids[row, begins[row] : ends[row]] for row in rows]
            for line in lay_out(suffixes, [begins[row] for row in rows], len(prefix.ids)):
                members = [rows[number] for number in line.rows]
                wanted = [mask[row, begins[row] : ends[row]] for row in members]
                runs.append((line, prefix, members, wanted))
        if is_sharded(self.model):
            # Weights are gathered in step: each process runs the model as often as the one with most to do.
            runs += runs[-1:] * (most_of(len(runs), ids.device) - len(runs))
        hidden: dict[int, torch.Tensor] = {}
        for line, prefix, members, wanted in runs:
            found = self._run(line, prefix, torch.cat(wanted)[None])
            hidden |= zip(members, found.split([int(each.sum()) for each in wanted]), strict=True)
        return torch.cat([hidden[row] for row in range(len(ids))])

    def _built_prefixes(self, device: torch.device) -> list[SharedPrefix]:
        if self._prefixes is None:
            self._prefixes = [SharedPrefix.build(self.model, known, device) for known in self._prefix_ids]
        return self._prefixes

    def _run(self, line: Line, prefix: SharedPrefix, wanted: torch.Tensor) -> torch.Tensor:
        return hidden_states(
            self.model,
            self.head,
            wanted,
            **line_inputs(line, self.model.config),
            past_key_values=prefix.cache,
            use_cache=prefix.cache is not None,
        )
