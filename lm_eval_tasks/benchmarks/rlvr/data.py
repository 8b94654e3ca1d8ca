r"""allenai/RLVR-IFeval from the hub, a local folder or the embedded sample -> typed rows.

A row, as the hub has it::

    {"messages": [{"role": "user", "content": "Describe ... without commas."}],
     "ground_truth": "{\"func_name\": \"validate_no_commas\", \"N\": null, ...}", ...}

Sources are named as in `lm_eval_tasks.reading`; a folder holds `rlvr_ifeval/<split>.jsonl`. The split
`validation` (else `test`) is evaluated if it is there; otherwise `train_test_split(seed=42)` of `train` holds
out a quarter. A bad row is recorded and does not stop the run: nothing is trained on it, and where it can be
asked but not graded it stays in the evaluation, where every response to it earns 0.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.rlvr.rewards import read_constraints
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import BadRow
from lm_eval_tasks.reading import load_from_hub, report_bad_rows, resolve_source, sample_file

DATASET = "allenai/RLVR-IFeval"
FOLDER = "rlvr_ifeval"
SPLITS = ("train", "validation", "test")
SPLIT_SEED = 42

_RawRow = tuple[str, object]
"""Where the row stands, and the row; text that is not JSON stands for itself."""


@dataclass(frozen=True, slots=True)
class RlvrRow:
    """A row that can be asked.

    Attributes:
        where: Place of the row, for messages.
        question: The first user message.
        ground_truth: JSON text, as `rewards.grade` takes it.
        satisfying: A response that keeps the constraint; the embedded sample has one.
        violating: A response that breaks it; the embedded sample has one.
        problem: Why no response to it can be graded; None for a good row.
    """

    where: str
    question: str
    ground_truth: str
    satisfying: str | None = None
    violating: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RlvrData:
    """Both splits, and the records of the bad rows in them."""

    train: tuple[RlvrRow, ...]
    evaluation: tuple[RlvrRow, ...]
    bad_rows: tuple[BadRow, ...]


def load_rlvr(
    data: str | None = None, *, num_train_examples: int = -1, num_eval_examples: int = -1
) -> RlvrData:
    """Load both splits.

    Args:
        data: `hub`, `sample` or a folder; default: `ICL_DATA_DIR`, else `hub`.
        num_train_examples: Keep no more training rows than this; -1: all.
        num_eval_examples: Keep no more evaluation rows than this; -1: all.

    Raises:
        UserError: source not reachable, a limit that is neither -1 nor positive, or no usable row in a split.
    """
    limits = {"num_train_examples": num_train_examples, "num_eval_examples": num_eval_examples}
    for name, limit in limits.items():
        if isinstance(limit, bool) or not isinstance(limit, int) or (limit < 1 and limit != -1):
            raise UserError(f"{name}: {limit!r} cannot be used; give a positive number, or -1 for all rows.")
    source = resolve_source(data)
    train_raw, evaluation_raw = _split(_read_splits(source), source)
    bad: list[BadRow] = []
    evaluation = _askable(evaluation_raw, bad)
    train = tuple(row for row in _askable(train_raw, bad) if row.problem is None)
    report_bad_rows(DATASET, bad, len(train_raw) + len(evaluation_raw))
    for name, rows in (("training", train), ("evaluation", evaluation)):
        if not rows:
            raise UserError(
                f"{DATASET}: the {name} split of source {source!r} has no usable row"
                + (f"; the first problem is {bad[0].where}: {bad[0].problem}" if bad else ".")
            )
    return RlvrData(_head(train, num_train_examples), _head(evaluation, num_eval_examples), tuple(bad))


def parse_row(raw: object, where: str) -> RlvrRow | BadRow:
    """One row: the first user message, and the ground truth.

    A row that cannot be asked is a `BadRow`. One that can, but not be graded, is a row with a `problem`.
    """
    if not isinstance(raw, Mapping):
        return BadRow(where, f"the row must be a JSON object, not {raw!r:.60}.")
    try:
        question = _first_user_message(raw.get("messages"))
    except UserError as error:
        return BadRow(where, str(error))
    truth = raw.get("ground_truth")
    text = truth if isinstance(truth, str) else json.dumps(truth, default=str)
    problem = None
    try:
        read_constraints(text)
    except UserError as error:
        problem = f"field 'ground_truth': {error}"
    return RlvrRow(
        where,
        question,
        text,
        satisfying=_text_or_none(raw.get("satisfying")),
        violating=_text_or_none(raw.get("violating")),
        problem=problem,
    )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _first_user_message(messages: object) -> str:
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise UserError(f"field 'messages' must be a list of chat messages, not {messages!r:.60}.")
    turns = [
        message for message in messages if isinstance(message, Mapping) and message.get("role") == "user"
    ]
    if not turns:
        raise UserError("field 'messages' has no user turn.")
    content = turns[0].get("content")
    if not isinstance(content, str) or not content.strip():
        raise UserError(f"the first user message must be non-empty text, not {content!r:.60}.")
    return content


def _split(splits: Mapping[str, list[_RawRow]], source: str) -> tuple[list[_RawRow], list[_RawRow]]:
    """Training and evaluation rows; membership in a holdout depends on the number of rows alone."""
    train = splits.get("train")
    if train is None:
        raise UserError(f"{DATASET}: source {source!r} has no split 'train', only {sorted(splits)}.")
    for name in SPLITS[1:]:
        if name in splits:
            return train, splits[name]
    if len(train) < 2:
        raise UserError(f"{DATASET}: source {source!r} has {len(train)} training rows; a holdout needs two.")
    import datasets  # takes two seconds to import

    holdout = datasets.Dataset.from_dict({"row": range(len(train))}).train_test_split(seed=SPLIT_SEED)
    return [train[i] for i in holdout["train"]["row"]], [train[i] for i in holdout["test"]["row"]]


def _askable(rows: Sequence[_RawRow], bad: list[BadRow]) -> tuple[RlvrRow, ...]:
    parsed = [parse_row(raw, where) for where, raw in rows]
    bad.extend(BadRow(row.where, row.problem) for row in parsed if row.problem is not None)
    return tuple(row for row in parsed if isinstance(row, RlvrRow))


def _head(rows: tuple[RlvrRow, ...], limit: int) -> tuple[RlvrRow, ...]:
    return rows if limit == -1 else rows[:limit]


def _read_splits(source: str) -> dict[str, list[_RawRow]]:
    if source == "hub":
        return _read_hub()
    if source == "sample":
        return {"train": _read_file(sample_file("rlvr", "train.jsonl"))}
    folder = Path(source).expanduser() / FOLDER
    files = {name: folder / f"{name}.jsonl" for name in SPLITS if (folder / f"{name}.jsonl").is_file()}
    if not files:
        raise UserError(
            f"{folder} holds no train.jsonl. The data folder {source!r} must hold {FOLDER}/train.jsonl, JSON "
            f"lines in the schema of {DATASET}; or use the sources 'hub' or 'sample'."
        )
    return {name: _read_file(path) for name, path in files.items()}


def _read_file(path: Path) -> list[_RawRow]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return [(f"{path} line {n}", _json_or_text(line)) for n, line in enumerate(lines, 1) if line.strip()]


def _json_or_text(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line


def _read_hub() -> dict[str, list[_RawRow]]:
    splits: Mapping[str, Any] = load_from_hub(DATASET, folder=f"{FOLDER}/train.jsonl")
    return {
        name: [(f"{DATASET}[{name}] row {i}", row) for i, row in enumerate(split)]
        for name, split in splits.items()
        if name in SPLITS
    }
