"""A benchmark's training rows, the held-out rows, and a record of exactly what they are."""

import logging
import random
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, cast

from transformers import PreTrainedTokenizerBase

from distill.encoding.prefixes import common_prefix
from distill.encoding.token_rows import Budgets, Row, build_rows
from distill.training.config import DataArguments
from lm_eval_tasks.datasets import load_evaluation, load_train, resolve_source
from lm_eval_tasks.demonstrations import DemonstrationPicker, Mode, without_overlap, without_repeats
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.schemas import Example, fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run trains on and is measured on.

    Attributes:
        train: Training rows.
        held_out: Rows of the training split that are never trained on; their teacher reads the real few-shot
            prompt, whatever control the training's teacher reads.
        train_prefixes: Tokens that the training rows' teacher prompts begin with, one entry per fixed set.
        held_out_prefixes: The same of the held-out rows.
        record: Source, fingerprints, demonstrations and counts, ready for JSON.
    """

    train: list[Row]
    held_out: list[Row]
    train_prefixes: list[list[int]]
    held_out_prefixes: list[list[int]]
    record: dict[str, Any]


def load_training_data(
    args: DataArguments, tokenizer: PreTrainedTokenizerBase, *, max_length: int | None, seed: int
) -> TrainingData:
    """Load, split and tokenise a benchmark's training rows.

    Args:
        args: Which rows and demonstrations.
        tokenizer: The model's.
        max_length: The student's token budget.
        seed: Of the held-out rows' choice.

    Raises:
        UserError: a split cannot be loaded, a row is malformed, or no row is left.
    """
    examples = load_train(args.benchmark, args.data)
    pool, evaluated_dropped = without_overlap(examples, load_evaluation(args.benchmark, args.data))
    pickers = _pickers(args, pool)
    few_shot = _few_shot(args, pickers[0], pool)
    candidates, left_out = without_overlap(pool, _shown(args, pool, few_shot.k))
    # Only now: the pool, and with it the demonstrations, stays the one that the few-shot evaluation shows.
    candidates, repeats = without_repeats(candidates)
    held_out_rows, train_rows = _split(args, candidates, seed)
    tokenised = partial(
        build_rows,
        tokenizer=tokenizer,
        budgets=Budgets(student=max_length, teacher=args.teacher_max_length),
        enable_thinking=args.enable_thinking,
    )
    held_out, held_out_counts = tokenised(held_out_rows, few_shot.pick, limit=None if args.eval_rows else 0)
    train, counts = tokenised(
        train_rows,
        lambda example: pickers[_set_of(example.id, len(pickers))].pick(example),
        limit=args.max_train_rows,
    )
    record = {
        "benchmark": args.benchmark,
        "source": resolve_source(args.data),
        "fingerprint": fingerprint(examples),
        "pool_fingerprint": fingerprint(pool),
        "demonstrations": args.demonstrations,
        "demonstration_seed": args.demonstration_seed,
        "demonstrations_from": args.demonstrations_from or args.benchmark,
        "num_fewshot": few_shot.k,
        "demonstration_ids": _fixed_ids(pickers),
        "enable_thinking": args.enable_thinking,
        "chat_template": tokenizer.chat_template is not None,
        "evaluated_rows_left_out": evaluated_dropped,
        "demonstrations_left_out": left_out,
        "repeated_rows_left_out": repeats,
        "train": asdict(counts),
        "held_out": asdict(held_out_counts),
    }
    same_prompts = len(pickers) == 1 and (pickers[0].pool, pickers[0].mode) == (few_shot.pool, few_shot.mode)
    return TrainingData(train, held_out, *_both_prefixes(train, held_out, len(pickers), same_prompts), record)


def _few_shot(args: DataArguments, first: DemonstrationPicker, pool: list[Example]) -> DemonstrationPicker:
    """What the held-out rows' teacher reads: the real demonstrations, whatever control is trained on."""
    if args.demonstrations == "per_example" and not args.demonstrations_from:
        return first
    return DemonstrationPicker(pool, first.k, "fixed", args.demonstration_seed)


def _shown(args: DataArguments, pool: list[Example], k: int) -> list[Example]:
    """The fixed sets; left out whatever the mode is, so that every control trains on the same rows."""
    return [
        example
        for index in range(args.demonstration_sets)
        for example in DemonstrationPicker(pool, k, "fixed", args.demonstration_seed + index).fixed
    ]


def _split(args: DataArguments, candidates: list[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Held-out and training rows, in a seeded order.

    Raises:
        UserError: no row is left to train on.
    """
    order = random.Random(seed).sample(candidates, len(candidates))
    if len(order) <= args.eval_rows:
        raise UserError(
            f"eval_rows: {args.eval_rows} held-out rows leave none of {args.benchmark}'s {len(order)} to "
            "train on; lower it, or give more training rows."
        )
    return order[: args.eval_rows], order[args.eval_rows :]


def _both_prefixes(
    train: list[Row], held_out: list[Row], sets: int, same_prompts: bool
) -> tuple[list[list[int]], list[list[int]]]:
    """Prefixes of the training and of the held-out rows; one serves both where the prompts are the same."""
    if same_prompts:
        shared = _prefixes([*train, *held_out], 1)
        return shared, shared
    return _prefixes(train, sets), _prefixes(held_out, 1)


def _pickers(args: DataArguments, pool: list[Example]) -> list[DemonstrationPicker]:
    """One picker per fixed set."""
    source = pool if args.demonstrations_from is None else load_train(args.demonstrations_from, args.data)
    mode = cast(Mode, args.demonstrations)
    return [
        DemonstrationPicker(source, args.num_fewshot or 0, mode, args.demonstration_seed + index)
        for index in range(args.demonstration_sets)
    ]


def _set_of(id: str, sets: int) -> int:
    """Which fixed set a row's teacher reads; the same in every process and Python version."""
    return zlib.crc32(id.encode()) % sets


def _fixed_ids(pickers: Sequence[DemonstrationPicker]) -> list[list[str]] | None:
    if pickers[0].mode in ("per_example", "zero"):
        return None
    return [[example.id for example in picker.fixed] for picker in pickers]


def _prefixes(rows: Sequence[Row], sets: int) -> list[list[int]]:
    """What each set's prompts begin with; those with fewer demonstrations than most share less of it."""
    prefixes = []
    for index in range(sets):
        members = [row for row in rows if _set_of(row["id"], sets) == index]
        most = max((row["demonstrations"] for row in members), default=0)
        prompts = [row["teacher_prompt_ids"] for row in members if row["demonstrations"] == most]
        prefixes.append(common_prefix(prompts) if prompts else [])
    return prefixes
