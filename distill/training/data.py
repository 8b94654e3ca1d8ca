"""A task's training rows, the held-out rows, and a record of exactly what they are."""

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from distill.encoding.token_rows import Budgets, Row, build_rows
from distill.training.config import DataArguments
from lm_eval_tasks.episodes import Episode, Picker, Source, fingerprint, same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_json_lines
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.prompting.demonstrations import without_overlap, without_repeats
from lm_eval_tasks.sources import TaskSpec, open_source


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
    """Load, split and tokenise a task's training rows.

    Args:
        args: Which rows, and what the teacher reads.
        tokenizer: The model's.
        max_length: The student's token budget.
        seed: Of the held-out rows' choice.

    Raises:
        UserError: a split cannot be loaded, a row is malformed, or no row is left.
    """
    spec = TaskSpec.of(args)
    chat = tokenizer.chat_template is not None
    source = spec.open(chat=chat)
    context = spec.context(source)
    pickers = _pickers(args, source, context, chat=chat)
    few_shot = _few_shot(args, pickers[0], source, context)
    shown = _shown(args, source, context)
    of_demonstrations = args.learn_from == "demonstrations"
    # Rows to hold out are the same as in other runs; where none are, a task needs none.
    learned = source.train() if args.eval_rows or not of_demonstrations else []
    candidates, left_out = without_overlap(learned, shown)
    # Only now: the pool, and with it the demonstrations, stays the one that the few-shot evaluation shows.
    candidates, repeats = without_repeats(candidates)
    candidates, unanswered = _answered(candidates, args.answers)
    if unanswered and not candidates:
        raise UserError(
            f"{source.name}: none of its {unanswered} rows has an answer to learn from. Give rows with a "
            "completion, or have the teacher write them (`icl-distill answers`) and name the file by answers."
        )
    taught = without_repeats(shown)[0] if of_demonstrations else None
    held_out_rows, train_rows = _split(args, source.name, candidates, seed, taught)
    tokenised = partial(
        build_rows,
        teach=partial(context.prompt, source),
        tokenizer=tokenizer,
        budgets=Budgets(student=max_length, teacher=args.teacher_max_length),
        enable_thinking=args.enable_thinking,
    )
    held_out, held_out_counts = tokenised(held_out_rows, few_shot.pick, limit=None if args.eval_rows else 0)
    train, counts = tokenised(
        train_rows,
        lambda episode: _others(pickers[_set_of(episode.id, len(pickers))], episode, of_demonstrations),
        limit=args.max_train_rows,
    )
    record = {
        "benchmark": source.name,
        "source": getattr(source, "data", None),
        "fingerprint": fingerprint(learned if taught is None else taught),
        "learn_from": args.learn_from,
        "answers": None if args.answers is None else fingerprint(candidates),
        "pool_fingerprint": fingerprint(source.pool()) if context.num_fewshot else None,
        "context": context.to_json(),
        "demonstrations": context.demonstrations,
        "demonstration_seed": args.demonstration_seed,
        "demonstrations_from": args.demonstrations_from or source.name,
        "num_fewshot": context.num_fewshot,
        "demonstration_ids": _fixed_ids(pickers, context),
        "enable_thinking": args.enable_thinking,
        "chat_template": tokenizer.chat_template is not None,
        "evaluated_rows_left_out": source.left_out["evaluated"],
        "demonstrations_left_out": left_out,
        "repeated_rows_left_out": repeats,
        "unanswered_rows_left_out": unanswered,
        "train": asdict(counts),
        "held_out": asdict(held_out_counts),
    }
    return TrainingData(train, held_out, record)


def read_answers(path: Path) -> dict[str, str]:
    """Answers by the id of their row; see `icl-distill answers`.

    Raises:
        UserError: the file cannot be read, or a line lacks a field.
    """
    answers = {}
    for where, row in read_json_lines(path):
        if not isinstance(row.get("id"), str) or not isinstance(row.get("completion"), str):
            raise UserError(f"{where}: needs the texts 'id' and 'completion'; write the answers anew.")
        answers[row["id"]] = row["completion"]
    return answers


def _answered(candidates: Sequence[Episode], answers: str | None) -> tuple[list[Episode], int]:
    """The rows with an answer, the file's if one is named, and how many have none."""
    if answers is not None:
        by_id: Mapping[str, str] = read_answers(Path(answers))
        candidates = [replace(row, completion=by_id.get(row.id)) for row in candidates]
    kept = [row for row in candidates if row.completion is not None]
    return kept, len(candidates) - len(kept)


def _pickers(args: DataArguments, source: Source, context: Context, *, chat: bool) -> list[Picker]:
    """One picker per fixed set."""
    shown = source
    if args.demonstrations_from is not None:
        shown = open_source(args.demonstrations_from, data=args.data, chat=chat)
    return [
        shown.picker(context.num_fewshot, context.demonstrations, args.demonstration_seed + index)
        for index in range(args.demonstration_sets)
    ]


def _few_shot(args: DataArguments, first: Picker, source: Source, context: Context) -> Picker:
    """What the held-out rows' teacher reads: the real demonstrations, whatever control is trained on."""
    if context.demonstrations == "per_example" and not args.demonstrations_from:
        return first
    return source.picker(context.num_fewshot, _real_mode(source), args.demonstration_seed)


def _shown(args: DataArguments, source: Source, context: Context) -> list[Episode]:
    """The fixed sets; left out whatever the mode is, so that every control trains on the same rows."""
    return [
        episode
        for index in range(args.demonstration_sets)
        for episode in source.picker(
            context.num_fewshot, _real_mode(source), args.demonstration_seed + index
        ).fixed
    ]


def _real_mode(source: Source) -> str:
    """The task's own way; one of lm-eval takes the wanted mode for its own, so controls are undone."""
    return "listed" if source.demonstration_mode == "listed" else "fixed"


def _others(picker: Picker, episode: Episode, of_demonstrations: bool) -> list[Episode]:
    """What is shown before an episode; before one of the demonstrations, the others."""
    if not of_demonstrations:
        return picker.pick(episode)
    own = same_question(episode.question)
    return [row for row in picker.fixed if same_question(row.question) != own]


def _split(
    args: DataArguments, name: str, candidates: list[Episode], seed: int, taught: list[Episode] | None
) -> tuple[list[Episode], list[Episode]]:
    """Held-out and training rows, in a seeded order; the training rows are `taught`, where those are given.

    Raises:
        UserError: no row is left to train on.
    """
    order = random.Random(seed).sample(candidates, len(candidates))
    needed = args.eval_rows + (taught is None)
    if len(order) < needed:
        raise UserError(
            f"eval_rows: {args.eval_rows} held-out rows leave none of {name}'s {len(order)} to "
            "train on; lower it, or give more training rows."
        )
    if taught is None:
        return order[: args.eval_rows], order[args.eval_rows :]
    if not taught:
        raise UserError(f"learn_from: {name} shows no demonstrations to learn from; give num_fewshot.")
    return order[: args.eval_rows], random.Random(seed).sample(taught, len(taught))


def _set_of(id: str, sets: int) -> int:
    """Which fixed set a row's teacher reads; the same in every process and Python version."""
    return zlib.crc32(id.encode()) % sets


def _fixed_ids(pickers: Sequence[Picker], context: Context) -> list[list[str]] | None:
    if context.demonstrations in ("per_example", "zero"):
        return None
    return [[episode.id for episode in picker.fixed] for picker in pickers]
