"""The teacher: a frozen model that reads the demonstrations and scores the answer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled

from distill.encoding.collator import IGNORED, Batch, places, predicting
from distill.encoding.prefixes import covered, find_prefixes
from distill.model.forward import line_states
from distill.model.modes import evaluation_of
from distill.model.output_head import OutputHead, head_of, hidden_states, without_aux_loss
from distill.model.packed_attention import lay_out, use_rows_attention
from distill.model.prefix_cache import SharedPrefix
from distill.model.probe import alike, probe_batch, probe_lengths, works
from distill.model.sampling import sample
from distill.model.sharding import from_main, is_sharded, most_of
from distill.objectives.chunked import HiddenTargets

_NEARLY = 0.9
"""Share of the tokens that prompts' own prefixes would save, from which others are good enough."""


class Teacher:
    """Scores answers under the teacher's prompts, at answer positions only.

    What prompts begin with is run once, at the first batch, and its keys and values are kept.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        head: OutputHead,
        *,
        prefixes: Sequence[Sequence[int]] = (),
        active: Callable[[], AbstractContextManager[object]] = nullcontext,
        shared_prefix: bool = True,
        longest: int | None = None,
    ) -> None:
        """Wrap a model.

        Args:
            model: Runs the teacher's forward passes.
            head: Its vocabulary projection.
            prefixes: What teacher prompts begin with, one entry per set of demonstrations; a prompt that
                shares less of any of them, or nothing, stays correct.
            active: Context in which `model` is the teacher, such as `modes.adapter_off`.
            shared_prefix: False runs every row in full, and so does a model that cannot do otherwise.
            longest: Tokens of the longest row that is to come, if it is known.
        """
        self.model = model
        self.head = head
        self._prefix_ids = [list(ids) for ids in prefixes] or [[]]
        self._active = active
        self._evaluating = evaluation_of(model)
        self._prefixes: list[SharedPrefix] | None = None
        # Also where nothing is shared: it sets the attention right.
        able = use_rows_attention(model)
        self._shared_prefix = shared_prefix and able and self._shares_exactly(longest)

    @property
    def shares_prefix(self) -> bool:
        """Whether what prompts begin with is run once; else every row is run in full."""
        return self._shared_prefix

    def serving(self, prompts: Sequence[Sequence[int]]) -> "Teacher":
        """The same teacher for other prompts; itself, if its prefixes serve them about as well as theirs."""
        own = find_prefixes(prompts)
        if covered(prompts, self._prefix_ids) >= _NEARLY * covered(prompts, own):
            return self
        return self._with_prefixes(own)

    def _with_prefixes(self, prefixes: list[list[int]]) -> "Teacher":
        other = copy(self)
        other._prefix_ids, other._prefixes = prefixes or [[]], None
        return other

    def _shares_exactly(self, longest: int | None) -> bool:
        """Whether states behind a shared prefix are those of plain forward passes, which is tried out."""
        if is_deepspeed_zero3_enabled():
            return True  # nothing can be tried out before the trainer has wrapped the model

        def same() -> bool:
            length, _ = probe_lengths(self.model, longest)
            whole = probe_batch(self.model, [length, max(length // 2, 2), 2])
            prefix = whole["input_ids"][0, : length - 8].tolist()
            # One row goes on behind all of the prefix, one behind a part of it, one behind nothing.
            whole["input_ids"][2, 0] += 1
            labels = torch.where(whole["attention_mask"] == 1, 0, IGNORED)
            labels[0, : length - 8] = labels[1, : length // 2 - 1] = labels[2, 0] = IGNORED
            batch = {f"teacher_{name}": value for name, value in (whole | {"labels": labels}).items()}
            wanted = predicting(labels).sum(-1).tolist()
            with self._teaching():
                found = self._with_prefixes([prefix])._in_lines(batch)
                return alike(found, self._in_full(batch), wanted)

        return bool(from_main(works("one pass over what prompts share", self.model, same)))

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
        with self._evaluating(), self._active():
            yield

    def _in_full(self, batch: Batch) -> torch.Tensor:
        return hidden_states(
            self.model,
            self.head,
            predicting(batch["teacher_labels"]),
            input_ids=batch["teacher_input_ids"],
            attention_mask=batch["teacher_attention_mask"],
            use_cache=False,
            **without_aux_loss(self.model),
        )

    def forget(self) -> None:
        """Drop what was kept of the prefixes, because the teacher's weights have changed."""
        self._prefixes = None

    def _in_lines(self, batch: Batch) -> torch.Tensor:
        ids, real = batch["teacher_input_ids"], batch["teacher_attention_mask"]
        wanted = predicting(batch["teacher_labels"])
        prefixes = self._built_prefixes(ids.device)
        shared = torch.stack([each.shared_lengths(ids, real, wanted) for each in prefixes])
        most, best = shared.max(0)
        # All that the host must know of the batch, in one read.
        lengths, begins, chosen, numbers = torch.stack([real.sum(-1), most, best, wanted.sum(-1)]).tolist()
        counts = [length - begin for length, begin in zip(lengths, begins, strict=True)]
        behind = places((real.cumsum(-1) > most[:, None]) & real.bool(), sum(counts))
        suffixes, marks = (values.flatten()[behind].split(counts) for values in (ids, wanted))
        runs = []
        for index, prefix in enumerate(prefixes):
            rows = [row for row, its in enumerate(chosen) if its == index]
            own = [begins[row] for row in rows]
            for line in lay_out([suffixes[row] for row in rows], own, len(prefix.ids)):
                members = [rows[number] for number in line.rows]
                runs.append((line, prefix, members))
        if is_sharded(self.model):
            # Weights are gathered in step: each process runs the model as often as the one with most to do.
            runs += runs[-1:] * (most_of(len(runs), ids.device) - len(runs))
        hidden: dict[int, torch.Tensor] = {}
        for line, prefix, members in runs:
            answers = [numbers[row] for row in members]
            found = line_states(
                self.model,
                self.head,
                line,
                places(torch.cat([marks[row] for row in members]), sum(answers)),
                past_key_values=prefix.cache,
                use_cache=prefix.cache is not None,
                **without_aux_loss(self.model),
            ).hidden
            hidden |= zip(members, found.split(answers), strict=True)
        return torch.cat([hidden[row] for row in range(len(ids))])

    def _built_prefixes(self, device: torch.device) -> list[SharedPrefix]:
        if self._prefixes is None:
            self._prefixes = [SharedPrefix.build(self.model, known, device) for known in self._prefix_ids]
        return self._prefixes
