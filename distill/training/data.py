"""A benchmark's training rows, the held-out rows, and a record of exactly what they are."""

import logging
import random
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, cast

from transformers import PreTrainedTokenizerBase

from distill.encoding.token_rows import Budgets, Row, build_rows
from distill.training.config import DataArguments
from lm_eval_tasks.episodes import Episode, fingerprint
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker, Mode, without_overlap, without_repeats
from lm_eval_tasks.sources.benchmark import BenchmarkSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run trains on and is measured on.

    Attributes:
        train: Training rows.
        held_out: Rows of the training split that are never trained on; their teacher reads the real few-shot
            prompt, whatever control the training's teacher reads.
        record: Source, fingerprints, demonstrations and counts, ready for JSON.
    """

    train: list[Row]
    held_out: list[Row]
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
    source = BenchmarkSource(args.benchmark, args.data)
    episodes, pool = source.all_train, source.train()
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
        "source": source.data,
        "fingerprint": fingerprint(episodes),
        "pool_fingerprint": fingerprint(pool),
        "demonstrations": args.demonstrations,
        "demonstration_seed": args.demonstration_seed,
        "demonstrations_from": args.demonstrations_from or args.benchmark,
        "num_fewshot": few_shot.k,
        "demonstration_ids": _fixed_ids(pickers),
        "enable_thinking": args.enable_thinking,
        "chat_template": tokenizer.chat_template is not None,
        "evaluated_rows_left_out": len(episodes) - len(pool),
        "demonstrations_left_out": left_out,
        "repeated_rows_left_out": repeats,
        "train": asdict(counts),
        "held_out": asdict(held_out_counts),
    }
    return TrainingData(train, held_out, record)


def _few_shot(args: DataArguments, first: DemonstrationPicker, pool: list[Episode]) -> DemonstrationPicker:
    """What the held-out rows' teacher reads: the real demonstrations, whatever control is trained on."""
    if args.demonstrations == "per_example" and not args.demonstrations_from:
        return first
    return DemonstrationPicker(pool, first.k, "fixed", args.demonstration_seed)


def _shown(args: DataArguments, pool: list[Episode], k: int) -> list[Episode]:
    """The fixed sets; left out whatever the mode is, so that every control trains on the same rows."""
    return [
        example
        for index in range(args.demonstration_sets)
        for example in DemonstrationPicker(pool, k, "fixed", args.demonstration_seed + index).fixed
    ]


def _split(args: DataArguments, candidates: list[Episode], seed: int) -> tuple[list[Episode], list[Episode]]:
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


def _pickers(args: DataArguments, pool: list[Episode]) -> list[DemonstrationPicker]:
    """One picker per fixed set."""
    other = args.demonstrations_from
    shown = pool if other is None else BenchmarkSource(other, args.data).all_train
    mode = cast(Mode, args.demonstrations)
    return [
        DemonstrationPicker(shown, args.num_fewshot or 0, mode, args.demonstration_seed + index)
        for index in range(args.demonstration_sets)
    ]


def _set_of(id: str, sets: int) -> int:
    """Which fixed set a row's teacher reads; the same in every process and Python version."""
    return zlib.crc32(id.encode()) % sets


def _fixed_ids(pickers: Sequence[DemonstrationPicker]) -> list[list[str]] | None:
    if pickers[0].mode in ("per_example", "zero"):
        return None
    return [[example.id for example in picker.fixed] for picker in pickers]
