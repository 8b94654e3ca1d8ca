"""A benchmark's training rows, the held-out rows, and a record of exactly what they are."""

import logging
import random
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
        train_prefix: Tokens that the training rows' teacher prompts begin with.
        held_out_prefix: The same of the held-out rows.
        record: Source, fingerprints, demonstrations and counts, ready for JSON.
    """

    train: list[Row]
    held_out: list[Row]
    train_prefix: list[int]
    held_out_prefix: list[int]
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
    picker = DemonstrationPicker(
        pool, args.num_fewshot or 0, cast(Mode, args.demonstrations), args.demonstration_seed
    )
    few_shot = picker
    if args.demonstrations != "per_example":
        few_shot = DemonstrationPicker(pool, picker.k, "fixed", args.demonstration_seed)
    # Left out whatever the mode is, so that every control trains on the same rows.
    candidates, shown = without_overlap(pool, DemonstrationPicker(pool, picker.k, "fixed", picker.seed).fixed)
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

    held_out, held_out_counts = tokenised(
        order[: args.eval_rows], few_shot.pick, None if args.eval_rows else 0
    )
    train, counts = tokenised(order[args.eval_rows :], picker.pick, args.max_train_rows)
    record = {
        "benchmark": args.benchmark,
        "source": resolve_source(args.data),
        "fingerprint": fingerprint(examples),
        "pool_fingerprint": fingerprint(pool),
        "demonstrations": args.demonstrations,
        "demonstration_seed": args.demonstration_seed,
        "num_fewshot": picker.k,
        "demonstration_ids": None
        if args.demonstrations in ("per_example", "zero")
        else [e.id for e in picker.fixed],
        "enable_thinking": args.enable_thinking,
        "chat_template": tokenizer.chat_template is not None,
        "evaluated_rows_left_out": evaluated_dropped,
        "demonstrations_left_out": shown,
        "train": asdict(counts),
        "held_out": asdict(held_out_counts),
    }
    if few_shot is picker or picker.mode == "fixed":
        prefix = _prefix([*train, *held_out], picker.k)
        return TrainingData(train, held_out, prefix, prefix, record)
    return TrainingData(train, held_out, _prefix(train, picker.k), _prefix(held_out, picker.k), record)


def _prefix(rows: Sequence[Row], k: int) -> list[int]:
    """What teacher prompts begin with; those with fewer demonstrations than most share less of it."""
    most = max((row["demonstrations"] for row in rows), default=k)
    return common_prefix([row["teacher_prompt_ids"] for row in rows if row["demonstrations"] == most] or [[]])
