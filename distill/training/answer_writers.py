"""From the configuration to who writes the training's answers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import torch
from accelerate import Accelerator
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from distill.encoding.collator import DistillCollator
from distill.encoding.token_rows import Budgets
from distill.model.sampling import sample, sampling_config, seeded
from distill.on_policy.batches import Author, OnPolicy, Write
from distill.on_policy.vllm import VLLMWriter, start_engine
from distill.teachers.base import Teacher
from distill.training.config import ICLDistillConfig

OpenStudent = Callable[[], AbstractContextManager[PreTrainedModel]]
"""Gives the student, unwrapped and with its weights in reach of `generate`."""


def build_on_policy(
    args: ICLDistillConfig,
    accelerator: Accelerator,
    tokenizer: PreTrainedTokenizerBase,
    student: PreTrainedModel,
    open_student: OpenStudent,
    teacher: Teacher,
    *,
    turn_end: int | None,
    teacher_max_length: int | None,
) -> OnPolicy:
    """What replaces gold answers by generated ones, as the config's keys say.

    Args:
        args: See `GenerationArguments`; `temperature`, `max_length` and `seed` count as well.
        accelerator: Of the run.
        tokenizer: The student's.
        student: Unwrapped.
        open_student: See `OpenStudent`.
        teacher: Scores the answers; with `seq_kd` it writes some.
        turn_end: The token that ends the gold answers.
        teacher_max_length: Token budget of the teacher's prompt and answer.
    """
    stops = _stop_ids(student, tokenizer, turn_end)
    collator = DistillCollator.of(tokenizer)
    config = sampling_config(
        max_new_tokens=args.max_new_tokens,
        temperature=args.temperature,
        stop_ids=stops,
        pad_token_id=collator.pad_token_id,
    )
    writers: dict[Author, Write] = {
        "teacher": _seeded(lambda prompts: teacher.sampled(prompts, config), accelerator)
    }
    if args.use_vllm:
        rows = args.per_device_train_batch_size * args.gradient_accumulation_steps
        engine = start_engine(args, student, accelerator, tokenizer, temperature=args.temperature, rows=rows)
        writers["student"] = VLLMWriter(engine, student, stops).write
    else:
        writers["student"] = _seeded(partial(_by_student, open_student, config), accelerator)
    return OnPolicy(
        lmbda=args.lmbda,
        seq_kd=args.seq_kd,
        writers=writers,
        collator=collator,
        budgets=Budgets(student=args.max_length, teacher=teacher_max_length),
        stop_ids=frozenset(stops),
        seed=args.seed,
        process=accelerator.process_index,
    )


def _stop_ids(
    student: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, turn_end: int | None
) -> Sequence[int]:
    """Tokens that end an answer: the template's end of turn, the tokenizer's and the model's end tokens."""
    config: GenerationConfig | None = getattr(student, "generation_config", None)
    ends = config.eos_token_id if config is not None else None
    known = [turn_end, tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])]
    return sorted({token for token in known if token is not None})


def _seeded(write: Callable[[list[list[int]]], list[list[int]]], accelerator: Accelerator) -> Write:
    def writer(prompts: list[list[int]], *, step: int, seed: int) -> list[list[int]]:
        with seeded(seed, torch.device(accelerator.device)):
            return write(prompts)

    return writer


def _by_student(
    open_student: OpenStudent, config: GenerationConfig, prompts: list[list[int]]
) -> list[list[int]]:
    with open_student() as model:
        training = model.training
        # Dropout off; gradient checkpointing and the cache exclude each other in training mode.
        model.eval()
        try:
            return sample(model, prompts, config)
        finally:
            model.train(training)
