"""On-policy batches: the answers of whole micro-batches are written by the student or by the teacher.

GKD (arXiv 2306.13649): a fraction `lmbda` of the batches is answered by the student as it is, and the teacher
scores these answers under its demonstrations. With `seq_kd` the teacher answers the others; else they keep
the gold answers. A generated answer is not gold, so it is trained on by the divergence alone.

Who answers depends on the seed, the step and the micro-batch only, and what is sampled on the seed and the
step, never on what was drawn before: all processes decide alike, and a resumed run goes on as it would have.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal, Protocol

import torch

from distill.encoding.collator import IGNORED, Batch, DistillCollator
from distill.encoding.token_rows import Budgets, Row

Author = Literal["student", "teacher", "gold"]

GENERATED = "generated"
"""The batch key that marks generated answers."""

COUNTED = ("generated_rows", "generated_tokens", "truncated_rows", "dropped_rows")
"""What is counted: rows with a generated answer, its tokens, those cut at a limit, and rows left out because
nothing was written, or because their prompts leave no room for an answer."""


class Write(Protocol):
    """Who writes answers."""

    def __call__(self, prompts: list[list[int]], *, step: int, seed: int) -> list[list[int]]:
        """One answer to each prompt, up to and including the token that ends it."""


@dataclass(frozen=True, slots=True)
class OnPolicy:
    """Replaces gold answers of whole micro-batches by generated ones.

    Attributes:
        lmbda: Fraction of micro-batches that the student answers.
        seq_kd: Whether the teacher answers the others.
        writers: Who writes: `student` reads its own prompts, `teacher` the demonstrations as well.
        collator: Makes a batch of the rows with their new answers.
        budgets: Tokens of prompt and answer; a longer answer is cut.
        stop_ids: Tokens that end an answer.
        seed: Of decisions and samples.
        process: Which process this is; each samples on its own.
    """

    lmbda: float
    seq_kd: bool
    writers: Mapping[Author, Write]
    collator: DistillCollator
    budgets: Budgets
    stop_ids: frozenset[int]
    seed: int
    process: int = 0

    def author(self, step: int, index: int) -> Author:
        """Who answers micro-batch `index` of optimizer step `step`: the same in every process."""
        if random.Random(f"author {self.seed} {step} {index}").random() < self.lmbda:
            return "student"
        return "teacher" if self.seq_kd else "gold"

    def __call__(self, batches: Sequence[Batch], *, step: int) -> tuple[list[Batch], Counter[str]]:
        """The micro-batches of a step with their answers written, and counts (see `COUNTED`).

        All that an author answers is written in one call. Should no row of a micro-batch get an answer, it
        keeps its gold answers: every process needs one to train on.
        """
        written, counts = list(batches), Counter[str]()
        authors = [self.author(step, index) for index in range(len(batches))]
        for author, write in self.writers.items():
            chosen = [index for index, its in enumerate(authors) if its == author]
            if not chosen:
                continue
            prompts = [prompts_of(batches[index], "") for index in chosen]
            teacher_prompts = [prompts_of(batches[index], "teacher_") for index in chosen]
            read = prompts if author == "student" else teacher_prompts
            seed = random.Random(f"sample {self.seed} {step} {author} {self.process}").getrandbits(63)
            answers = iter(write([*chain(*read)], step=step, seed=seed))
            for index, own, teachers in zip(chosen, prompts, teacher_prompts, strict=True):
                rows, its_counts = self._rows(own, teachers, list(islice(answers, len(own))))
                counts += its_counts
                written[index] = self._collated(rows, batches[index]["labels"].device) or batches[index]
        return written, counts

    def _collated(self, rows: list[Row], device: torch.device) -> Batch:
        """A batch of generated answers; empty without any."""
        if not rows:
            return {}
        batch = {name: value.to(device) for name, value in self.collator(rows).items()}
        return batch | {GENERATED: torch.ones(len(rows), dtype=torch.bool, device=device)}

    def _rows(
        self, prompts: list[list[int]], teacher_prompts: list[list[int]], answers: Sequence[list[int]]
    ) -> tuple[list[Row], Counter[str]]:
        rows = []
        counts: Counter[str] = Counter()
        for prompt, teacher_prompt, answer in zip(prompts, teacher_prompts, answers, strict=True):
            kept = answer[: self._room(prompt, teacher_prompt)]
            if not kept:
                counts["dropped_rows"] += 1
                continue
            counts += Counter(generated_rows=1, generated_tokens=len(kept))
            counts["truncated_rows"] += kept[-1] not in self.stop_ids
            rows.append(
                Row(
                    id="",
                    prompt_ids=prompt,
                    teacher_prompt_ids=teacher_prompt,
                    completion_ids=kept,
                    demonstrations=0,
                    length=len(prompt) + len(kept),
                )
            )
        return rows, counts

    def _room(self, prompt: list[int], teacher_prompt: list[int]) -> int | None:
        """How long an answer the budgets leave room for; None: any."""
        limits = ((self.budgets.student, prompt), (self.budgets.teacher, teacher_prompt))
        rooms = [max(0, budget - len(ids)) for budget, ids in limits if budget is not None]
        return min(rooms, default=None)


def prompts_of(batch: Batch, prefix: str) -> list[list[int]]:
    """The prompts of a batch's rows as the student reads them, or with `teacher_` as the teacher does."""
    # Here, where a row's own length keeps nobody waiting.
    ids, mask, labels = (batch[f"{prefix}{name}"].cpu() for name in ("input_ids", "attention_mask", "labels"))
    prompt = mask.bool() & (labels == IGNORED)
    return [row[keep].tolist() for row, keep in zip(ids, prompt, strict=True)]


def generation_means(sums: Mapping[str, float]) -> dict[str, float]:
    """What is logged of sums over all processes (see `COUNTED`)."""
    rows = max(sums["generated_rows"], 1)
    return {
        "generated_tokens": sums["generated_tokens"],
        "generated_length": sums["generated_tokens"] / rows,
        "truncated": sums["truncated_rows"] / rows,
        "dropped_rows": sums["dropped_rows"],
    }
