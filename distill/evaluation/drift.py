"""Drift: how far a student has moved where its job does not reach.

KL(bare model || student) per token, in nats, on the bare model's own greedy answers to 64 prompts of general
kinds (`drift_prompts.jsonl`), which have nothing to do with a job. What the bare model says of each token is
computed once; a student then costs one forward pass over 64 short rows.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, PreTrainedTokenizerBase

from distill.encoding.encode import encode_prompts
from distill.encoding.prefixes import common_prefix
from distill.evaluation.retention_files import PROMPTS
from distill.evaluation.shared_prompt import obstacle
from distill.model.fingerprints import digest
from distill.model.modes import evaluating
from distill.model.prefix_cache import SharedPrefix
from distill.model.sampling import repeated, sample
from lm_eval_tasks.files import read_json_lines

NEW_TOKENS = 24
"""Of an answer, at most: enough to hear how a model speaks."""
_WRITTEN, _READ = 32, 8
"""Rows at once: of answers that are written, and of those that are read, whose logits exist at once."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One student against the bare model.

    Attributes:
        kl_rows: KL(bare || student) of each prompt's answer, summed over its tokens.
        same_rows: Tokens of each answer that are the student's likeliest, too.
        tokens: Tokens of each answer, its end included.
        seconds: What the measurement took.
    """

    kl_rows: list[float]
    same_rows: list[int]
    tokens: list[int]
    seconds: float

    @property
    def kl(self) -> float:
        """Per token."""
        return sum(self.kl_rows) / sum(self.tokens)

    @property
    def same(self) -> float:
        """The share of tokens that are the student's likeliest, too."""
        return sum(self.same_rows) / sum(self.tokens)


class DriftMeter:
    """What the bare model answers, and thinks of each token of it: kept in main memory, `tokens x V` floats.

    Attributes:
        ids: Of the prompts.
        answers: The bare model's, as text.
        fingerprint: Of the prompts as the model reads them, and of its answers.
        seconds: What the bare model's side took.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, path: Path = PROMPTS) -> None:
        """Have the bare model answer.

        Args:
            model: The bare model, of transformers.
            tokenizer: Its tokenizer.
            path: JSON lines with `id` and `prompt`.

        Raises:
            UserError: the file cannot be read.
        """
        begun = time.monotonic()
        rows = [row for _, row in read_json_lines(path)]
        prompts = encode_prompts(tokenizer, [({"role": "user", "content": row["prompt"]},) for row in rows])
        # Prompts of like length are padded to one another.
        order = sorted(range(len(rows)), key=lambda place: len(prompts[place]))
        self.ids = [str(rows[place]["id"]) for place in order]
        self._prompts = [prompts[place] for place in order]
        # What a chat template says by itself is read once.
        same = common_prefix(self._prompts)[: len(self._prompts[0]) - 1]
        self._shared = same if obstacle(model) is None else []
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        with evaluating(model):
            self._answers = list(self._answered(model, tokenizer))
            self._bare = list(self._log_probs(model))
        self.answers = [tokenizer.decode(answer, skip_special_tokens=True) for answer in self._answers]
        self.fingerprint = digest([self._prompts, self._answers])
        self.seconds = time.monotonic() - begun

    def measure(self, model: Any) -> Drift:
        """Measure a student with the bare model's tokenizer: adapters on it, or other weights.

        Args:
            model: The student, of transformers.
        """
        begun = time.monotonic()
        sums, same = [], []
        with evaluating(model):
            for bare, own, answer in zip(self._bare, self._log_probs(model), self._answers, strict=True):
                # What no student can say (-inf) has no share in it.
                terms = torch.where(bare > -torch.inf, bare.exp() * (bare - own), 0.0)
                sums.append(float(terms.sum(dtype=torch.float64)))
                same.append(int((own.argmax(-1) == torch.tensor(answer)).sum()))
        tokens = [len(answer) for answer in self._answers]
        return Drift(sums, same, tokens, time.monotonic() - begun)

    def _answered(self, model: Any, tokenizer: PreTrainedTokenizerBase) -> Iterator[list[int]]:
        """Greedy answers, each with the token that ends it."""
        config = GenerationConfig(
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=_ends(model, tokenizer),
            pad_token_id=self._pad,
            use_cache=True,
        )
        prefix = SharedPrefix.build(model, self._shared, model.device)
        for start in range(0, len(self._prompts), _WRITTEN):
            yield from sample(model, self._prompts[start : start + _WRITTEN], config, prefix)

    def _log_probs(self, model: Any) -> Iterator[torch.Tensor]:
        """Of each answer's tokens `[n, V]`, in float32 on the CPU."""
        prefix, begin = SharedPrefix.build(model, self._shared, model.device), len(self._shared)
        rows = [(prompt[begin:], answer) for prompt, answer in zip(self._prompts, self._answers, strict=True)]
        for start in range(0, len(rows), _READ):
            batch = rows[start : start + _READ]
            ids = [torch.tensor([*prompt, *answer], device=model.device) for prompt, answer in batch]
            mask = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
            logits = model(
                input_ids=pad_sequence(ids, batch_first=True, padding_value=self._pad),
                attention_mask=torch.cat([mask.new_ones(len(batch), begin), mask], dim=1),
                past_key_values=repeated(prefix, len(batch)) if begin else None,
                use_cache=bool(begin),
            ).logits
            for line, (prompt, answer) in zip(logits, batch, strict=True):
                predicting = line[len(prompt) - 1 : len(prompt) - 1 + len(answer)]
                yield predicting.float().log_softmax(-1).cpu()


def _ends(model: Any, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end an answer."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    several: Sequence[int | None] = configured if isinstance(configured, list) else [configured]
    return [token for token in dict.fromkeys([*several, tokenizer.eos_token_id]) if token is not None]
