"""Rows from the Hugging Face hub, a local folder, or the embedded sample.

A place is named by one word everywhere (`data` argument, `--data`, `ICL_DATA_DIR`):

- `hub`: through `datasets.load_dataset` and its cache;
- `sample`: our own small rows inside the package, for demonstrations of the software and tests;
- any other word: a folder with `<benchmark>/<split>.jsonl` files in the hub's schemas.

Without an argument it is `ICL_DATA_DIR` if set, else `hub`.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import BadRow, read_json_lines

logger = logging.getLogger(__name__)

DATA_DIR_VARIABLE = "ICL_DATA_DIR"
_NAMED_BAD_ROWS = 10


@dataclass(frozen=True, slots=True)
class Split:
    """Where one split lives: `load_dataset(path, name, split=split)`, and `file` in a local folder.

    `folder` is the benchmark whose rows they are, where that is another one.
    """

    path: str
    name: str | None
    split: str
    file: str
    folder: str = ""


def resolve_source(data: str | None) -> str:
    """The place that `data` names; see the module's docstring."""
    return data or os.environ.get(DATA_DIR_VARIABLE) or "hub"


def sample_file(benchmark: str, file: str) -> Path:
    """A file of the embedded sample."""
    return TASK_DIR / benchmark / "sample" / file


def local_file(benchmark: str, split: Split, source: str) -> Path | None:
    """The file that holds a split, whether it exists or not; None for the hub."""
    benchmark = split.folder or benchmark
    if source == "hub":
        return None
    if source == "sample":
        return sample_file(benchmark, split.file)
    return Path(source).expanduser() / benchmark / split.file


def read_rows(
    benchmark: str, split: Split, source: str, bad: list[BadRow] | None = None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Raw rows of a split with the place each stands at, for messages: `(where, row)`.

    Args:
        benchmark: Whose split; the name of its folder.
        split: The split.
        source: `hub`, `sample` or a folder.
        bad: See `read_json_lines`.

    Raises:
        UserError: source not reachable, or a line that is not a JSON object.
    """
    path = local_file(benchmark, split, source)
    if path is None:
        return ((f"{split.path}[{split.split}] row {i}", row) for i, row in enumerate(_hub_rows(split)))
    if not path.is_file():
        raise UserError(
            f"{path} does not exist. The data folder {source!r} must hold {path.parent.name}/{path.name}, "
            f"JSON lines in the schema of {split.path}; or use the sources 'hub' or 'sample'."
        )
    return read_json_lines(path, bad)


def bad_rows_record(bad: Sequence[BadRow]) -> dict[str, Any]:
    """`bad_rows` as results hold them: their number, and the first ones; empty where there are none."""
    first = [f"{row.where}: {row.problem}" for row in bad[:_NAMED_BAD_ROWS]]
    return {"bad_rows": {"count": len(bad), "first": first}} if bad else {}


def report_bad_rows(name: str, bad: Sequence[BadRow], rows: int) -> None:
    """Warn of the rows of a data set, `rows` in all, that cannot be used: the first, and their number."""
    for row in bad[:_NAMED_BAD_ROWS]:
        logger.warning("%s cannot be used: %s", row.where, row.problem)
    if bad:
        logger.warning("%s: %d of %d rows cannot be used.", name, len(bad), rows)


def text_field(row: Mapping[str, Any], name: str, where: str) -> str:
    """A field that must be text.

    Raises:
        UserError: it is something else, or blank.
    """
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: field {name!r} must be non-empty text, not {value!r:.80}.")
    return value


def load_from_hub(path: str, name: str | None = None, *, split: str | None = None, folder: str) -> Any:
    """`datasets.load_dataset`, with one clear error.

    Args:
        path: The data set.
        name: Its configuration.
        split: Its split; None: all of them.
        folder: What a local folder would hold in its place, for the message.

    Raises:
        UserError: hub not reachable; unknown data set, configuration or split.
    """
    # Imported here: it takes two seconds, and neither scoring nor local data needs it.
    import datasets

    try:
        return datasets.load_dataset(path, name, split=split)
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"cannot load {path} from the Hugging Face hub ({reason}). Without a network, set "
            f"{DATA_DIR_VARIABLE} (or 'data') to a folder with {folder}, or use data 'sample' for the "
            "embedded rows."
        ) from error


def _hub_rows(split: Split) -> Iterable[Mapping[str, Any]]:
    rows: Iterable[Mapping[str, Any]] = load_from_hub(
        split.path, split.name, split=split.split, folder="<benchmark>/<split>.jsonl files"
    )
    return rows
