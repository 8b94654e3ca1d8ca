"""What `distill_step.py` measures: one training step of each peer and of ours, on the same rows.

All students are one LoRA model, so that variants can take turns in one process. Every row has the same answer
in the student's context and behind 0, 8 or 16 demonstrations.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from trl.experimental.gkd import GKDTrainer

from distill.encoding.collator import IGNORED, Batch, DistillCollator, predicting
from distill.encoding.prefixes import common_prefix
from distill.encoding.token_rows import Budgets, Row, build_rows
from distill.model.demo_model import resolve_model
from distill.model.forward import answer_states, packs_rows
from distill.model.output_head import check_head, head_of
from distill.objectives.chunked import HiddenTargets, Objective, fused_objective
from distill.objectives.divergences import TopK
from distill.teachers.base import Teacher
from distill.teachers.models import self_teacher
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.sources import open_source

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHOTS = (0, 8, 16)
MSE = Objective()
JSD = Objective(name="jsd", ce_weight=0.0, distill_weight=1.0, beta=0.5)
Step = Callable[[int], object]
"""Runs one batch, given by its number."""


class Workbench:
    """One LoRA student, real rows, and every variant's step on them."""

    def __init__(self, source: str | None, *, batches: int, batch_size: int, answers: int) -> None:
        """Build model and rows.

        Args:
            source: Of GSM8K: hub, sample or a folder; None: ICL_DATA_DIR, else the hub.
            batches: How many.
            batch_size: Rows of each.
            answers: Solutions joined into one answer; more than 1 makes the longer rows.
        """
        path = self._path = resolve_model("demo")
        tokenizer = AutoTokenizer.from_pretrained(path)
        pool = open_source("gsm8k", data=source).train()
        demonstrations = DemonstrationPicker(pool, max(SHOTS), "fixed").fixed
        shown = {example.id for example in demonstrations}
        order = random.Random(0).sample(
            [each for each in pool if each.id not in shown], len(pool) - len(shown)
        )
        examples = _joined(order, answers)[: batches * batch_size]
        rows: dict[int, list[Row]] = {}
        for k in SHOTS:

            def pick(example: Episode, k: int = k) -> list[Episode]:
                return demonstrations[:k]

            rows[k], _ = build_rows(examples, pick, build_messages, tokenizer, budgets=Budgets(None, None))
        self._prefixes = {k: [common_prefix([row["teacher_prompt_ids"] for row in rows[k]])] for k in SHOTS}
        collate = DistillCollator.of(tokenizer)
        self.batches: dict[int, list[Batch]] = {
            k: [collate(of_k[start : start + batch_size]) for start in range(0, len(examples), batch_size)]
            for k, of_k in rows.items()
        }
        torch.manual_seed(0)
        base = AutoModelForCausalLM.from_pretrained(path)
        lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=LINEAR)
        self.model: PeftModel = get_peft_model(base, lora).train()
        self.head = check_head(self.model)
        self.packed = packs_rows(self.model, self.head)
        self._optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=2e-4)
        self._teachers: dict[int, Teacher] = {}
        self._tops: dict[int, TopK] = {}

    def step(self, name: str) -> Step:
        """The step called `name`: a key of `distill_step.VARIANTS`, with `@k` for other than 8 shots."""
        kind, _, shots = name.partition("@")
        k = int(shots or 8)
        if kind in ("teacher_full", "teacher_shared"):
            return partial(self._teacher_logits if kind == "teacher_full" else self._targets, k=k)
        losses: dict[str, Callable[[int], torch.Tensor]] = {
            "sft": self._sft,
            "sft_answers": self._sft_answers,
            "published": self._published,
            "gkd_jsd": self._gkd_jsd,
            "mse": partial(self._ours, objective=MSE, k=k),
            "jsd": partial(self._ours, objective=JSD, k=k),
            "cached": self._cached,
        }
        loss = losses[kind]

        def run(number: int) -> None:
            loss(number).backward()
            self._optimizer.step()
            self._optimizer.zero_grad()

        return run

    def _sft(self, number: int) -> torch.Tensor:
        batch = self.batches[8][number]
        return self.model(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss

    def _student_logits(self, batch: Batch) -> torch.Tensor:
        """Logits at answer positions out of the full logits, as the peers compute them."""
        logits = self.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return logits[predicting(batch["labels"])]

    def _teacher_logits(self, number: int, k: int = 8) -> torch.Tensor:
        batch = self.batches[k][number]
        ids, mask = batch["teacher_input_ids"], batch["teacher_attention_mask"]
        with torch.no_grad():
            logits = self.second(input_ids=ids, attention_mask=mask, use_cache=False).logits
        return logits[predicting(batch["teacher_labels"])]

    @cached_property
    def second(self) -> PreTrainedModel:
        """The second copy of the model that the peers' teacher is."""
        return AutoModelForCausalLM.from_pretrained(self._path).eval()

    def _sft_answers(self, number: int) -> torch.Tensor:
        batch = self.batches[8][number]
        states = answer_states(self.model, self.head, batch).hidden
        return functional.cross_entropy(head_of(self.head).logits(states), _answers(batch))

    def _published(self, number: int) -> torch.Tensor:
        batch = self.batches[8][number]
        top = self._teacher_logits(number).topk(256)
        student = self._student_logits(batch)
        mse = (student.gather(-1, top.indices) - top.values).square().mean()
        return functional.cross_entropy(student, _answers(batch)) + 0.5 * mse

    def _gkd_jsd(self, number: int) -> torch.Tensor:
        batch = self.batches[8][number]
        teacher = self._teacher_logits(number)
        student = self._student_logits(batch)
        return GKDTrainer.generalized_jsd_loss(student[None], teacher[None], beta=0.5)

    def _ours(self, number: int, objective: Objective, k: int) -> torch.Tensor:
        """The trainer's own path."""
        batch = self.batches[k][number]
        states = answer_states(self.model, self.head, batch, packed=self.packed).hidden
        targets = self._targets(number, k)
        sums = fused_objective(states, head_of(self.head), _answers(batch), targets, objective)
        return sums.loss / sums.tokens

    def _targets(self, number: int, k: int) -> HiddenTargets:
        if k not in self._teachers:
            self._teachers[k] = self_teacher(self.model, self.head, prefixes=self._prefixes[k])
        return self._teachers[k].targets(self.batches[k][number])

    def _cached(self, number: int) -> torch.Tensor:
        batch = self.batches[8][number]
        states = answer_states(self.model, self.head, batch, packed=self.packed).hidden
        sums = fused_objective(states, head_of(self.head), _answers(batch), self.top(number), MSE)
        return sums.loss / sums.tokens

    def top(self, number: int) -> TopK:
        """A batch's top-256 targets, made at the first call: what is read from disk in a cached run."""
        if number not in self._tops:
            with torch.no_grad():
                hidden, head = self._targets(number, 8)
                parts = [TopK.of(head.logits(chunk), 256) for chunk in hidden.split(128)]
            self._tops[number] = TopK(*(torch.cat(values) for values in zip(*parts, strict=True)))
        return self._tops[number]


def _answers(batch: Batch) -> torch.Tensor:
    """The answer tokens `[N]`."""
    return batch["labels"][batch["labels"] != IGNORED]


def _joined(examples: Sequence[Episode], solutions: int) -> list[Episode]:
    """Examples whose answers are `solutions` of theirs in a row."""
    groups = (examples[start : start + solutions] for start in range(0, len(examples), solutions))
    return [
        replace(group[0], completion="\n\n".join(str(each.completion) for each in group)) for group in groups
    ]
