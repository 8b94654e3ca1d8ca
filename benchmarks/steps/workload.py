"""Rows, tokenizer and model of a job: synthetic ones for a shape, GSM8K for the embedded model."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from distill.encoding.token_rows import Budgets, Row, build_rows
from distill.model.demo_model import resolve_model
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.sources import open_source

from .jobs import Job
from .shapes import SHAPES

DEMO = "demo"
_MOST_SHOTS = 16


@dataclass(frozen=True, slots=True)
class Workload:
    """What every trainer of a job is given.

    Attributes:
        rows: One for each row of each step, in order.
        prompts: Each row's prompt as text: the tokenizer makes `prompt_ids` of it.
        privileged: What the teacher reads before each prompt, as text.
        tokenizer: Of student and teacher.
        load: Makes the model; every call makes another one with the same weights.
        vocabulary: Entries of a distribution.
    """

    rows: list[Row]
    prompts: list[str]
    privileged: list[str]
    tokenizer: PreTrainedTokenizerFast
    load: Callable[[], PreTrainedModel]
    vocabulary: int


def workload(job: Job) -> Workload:
    """The rows, tokenizer and model of `job`."""
    # Full fine-tuning keeps float32 weights; what LoRA freezes is kept as the device computes.
    dtype = torch.bfloat16 if job.device == "cuda" and job.tuning == "lora" else torch.float32
    if job.model == DEMO:
        return _gsm8k(job, dtype)
    rows = synthetic_rows(job.model, job.batch_size * job.total_steps, job.shots)
    size = int(SHAPES[job.model].config["vocab_size"])
    tokenizer = word_tokenizer(size)
    prompts = [tokenizer.decode(row["prompt_ids"]) for row in rows]
    shown = [tokenizer.decode(row["teacher_prompt_ids"][: -len(row["prompt_ids"])]) for row in rows]
    privileged = [f"{text} " if text else "" for text in shown]
    _check_text(tokenizer, prompts, rows)
    return Workload(
        rows, prompts, privileged, tokenizer, lambda: random_model(job.model, dtype, job.device), size
    )


def random_model(shape: str, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """A model of one of `SHAPES`, the same weights each time."""
    config = Qwen3Config(
        **SHAPES[shape].config,
        max_position_embeddings=8192,
        eos_token_id=1,
        bos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype)


def word_tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words, so that token ids and text are each other's exact image."""
    vocabulary = {"<pad>": 0, "<eos>": 1, "<unk>": 2} | {f"w{index}": index for index in range(3, size)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def synthetic_rows(shape: str, count: int, shots: int) -> list[Row]:
    """Random rows of a shape's lengths, all behind the same demonstrations."""
    lengths, size = SHAPES[shape], int(SHAPES[shape].config["vocab_size"])
    draw = random.Random(0)

    def words(tokens: int) -> list[int]:
        return [draw.randrange(3, size) for _ in range(tokens)]

    shown = words(shots * lengths.demonstration)
    return [
        _row(str(index), words(lengths.prompt), [*words(lengths.answer - 1), 1], shown)
        for index in range(count)
    ]


def _row(id: str, prompt: list[int], answer: list[int], shown: list[int]) -> Row:
    return Row(
        id=id,
        prompt_ids=prompt,
        teacher_prompt_ids=shown + prompt,
        completion_ids=answer,
        demonstrations=0,
        length=len(prompt) + len(answer),
    )


def _gsm8k(job: Job, dtype: torch.dtype) -> Workload:
    path = resolve_model(DEMO)
    tokenizer = AutoTokenizer.from_pretrained(path)
    pool = open_source("gsm8k", data=job.data).train()
    demonstrations = DemonstrationPicker(pool, _MOST_SHOTS, "fixed").fixed
    shown = {example.id for example in demonstrations}
    order = [example for example in pool if example.id not in shown]
    random.Random(0).shuffle(order)
    examples = _joined(order, job.answers)[: job.batch_size * job.total_steps]
    wanted = job.batch_size * job.total_steps
    if len(examples) < wanted:
        raise SystemExit(
            f"{wanted} rows are needed and {len(examples)} are there: lower --steps, or --data hub"
        )
    rows, _ = build_rows(
        examples,
        lambda example: demonstrations[: job.shots],
        build_messages,
        tokenizer,
        budgets=Budgets(None, None),
    )
    prompts = [tokenizer.decode(row["prompt_ids"]) for row in rows]
    _check_text(tokenizer, prompts, rows)
    return Workload(
        rows,
        prompts,
        [tokenizer.decode(_before_question(row)) for row in rows],
        tokenizer,
        lambda: AutoModelForCausalLM.from_pretrained(path, dtype=dtype).to(job.device),
        len(tokenizer),
    )


def _before_question(row: Row) -> list[int]:
    """The teacher's prompt up to where it ends as the student's does."""
    prompt, teacher = row["prompt_ids"], row["teacher_prompt_ids"]
    common = 0
    while common < len(prompt) and prompt[-1 - common] == teacher[-1 - common]:
        common += 1
    return teacher[: len(teacher) - common]


def _check_text(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str], rows: Sequence[Row]) -> None:
    """Trainers that take text must train on the same tokens as those that take ids."""
    for text, row in zip(prompts, rows, strict=True):
        if tokenizer(text)["input_ids"] != row["prompt_ids"]:
            raise AssertionError(f"the tokenizer does not give back the prompt of row {row['id']}")


def _joined(examples: Sequence[Episode], solutions: int) -> list[Episode]:
    """Examples whose answers are `solutions` of theirs in a row."""
    groups = (examples[start : start + solutions] for start in range(0, len(examples), solutions))
    return [
        replace(group[0], completion="\n\n".join(str(each.completion) for each in group)) for group in groups
    ]
