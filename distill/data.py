"""A benchmark's training rows, the held-out rows, and a record of exactly what they are."""

import logging
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from transformers import PreTrainedTokenizerBase

from distill.config import DataArguments
from distill.rows import Budgets, Row, RowCounts, build_rows
from distill.teacher import common_prefix
from lm_eval_tasks.datasets import load_evaluation, load_train, resolve_source
from lm_eval_tasks.demonstrations import DemonstrationPicker, Mode, without_overlap
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
    evaluated = load_evaluation(args.benchmark, args.data)
    pool, evaluated_dropped = without_overlap(examples, evaluated)
    pickers = _pickers(args, pool)
    few_shot = pickers[0]
    if args.demonstrations != "per_example" or args.demonstrations_from:
        few_shot = DemonstrationPicker(pool, few_shot.k, "fixed", args.demonstration_seed)
    # The fixed sets are left out whatever the mode is, so that every control trains on the same rows.
    shown = [
        example
        for index in range(args.demonstration_sets)
        for example in DemonstrationPicker(pool, few_shot.k, "fixed", args.demonstration_seed + index).fixed
    ]
    candidates, left_out = without_overlap(pool, shown)
    order = random.Random(seed).sample(candidates, len(candidates))
    if len(order) <= args.eval_rows:
        raise UserError(
            f"eval_rows: {args.eval_rows} held-out rows leave none of {args.benchmark}'s {len(order)} to "
            "train on; lower it, or give more training rows."
        )
    budgets = Budgets(student=max_length, teacher=args.teacher_max_length)

    def tokenised(
        rows: Sequence[Example], pick: Callable[[Example], Sequence[Example]], limit: int | None
    ) -> tuple[list[Row], RowCounts]:
        return build_rows(
            rows, pick, tokenizer, budgets=budgets, enable_thinking=args.enable_thinking, limit=limit
        )

    def pick(example: Example) -> list[Example]:
        return pickers[_set_of(example.id, len(pickers))].pick(example)

    held_out, held_out_counts = tokenised(
        order[: args.eval_rows], few_shot.pick, None if args.eval_rows else 0
    )
    train, counts = tokenised(order[args.eval_rows :], pick, args.max_train_rows)
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
        "train": asdict(counts),
        "held_out": asdict(held_out_counts),
    }
    train_prefixes, held_out_prefixes = _prefixes(train, len(pickers)), _prefixes(held_out, 1)
    if len(pickers) == 1 and pickers[0].pool == few_shot.pool and pickers[0].mode == few_shot.mode:
        # The same prompts: one prefix serves both.
        train_prefixes = held_out_prefixes = _prefixes([*train, *held_out], 1)
    return TrainingData(train, held_out, train_prefixes, held_out_prefixes, record)


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
