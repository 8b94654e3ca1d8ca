"""Files: read with one clear error, written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from lm_eval_tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class BadRow:
    """The record of a row that cannot be used: the place it stands at, and why."""

    where: str
    problem: str


def read_json_lines(path: Path, bad: list[BadRow] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a JSON lines file, each with the place it stands at, for messages; blank lines are passed over.

    Args:
        path: The file.
        bad: Takes the lines that are no JSON object, which are then passed over; None: they are an error.

    Raises:
        UserError: the file cannot be read, or a line is no JSON object.
    """
    try:
        lines = path.open("rb")
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}).") from None
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path} line {number}"
            try:
                row = _json_object(line)
            except UserError as error:
                if bad is None:
                    raise UserError(f"{where} {error}") from None
                bad.append(BadRow(where, str(error)))
                continue
            yield where, row


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:  # no JSON, or no UTF-8
        raise UserError(f"is not JSON ({error}). Mend or remove the line.") from None
    except RecursionError:
        raise UserError("nests too deep to be read. Mend or remove the line.") from None
    if not isinstance(row, dict):
        raise UserError(f"must be a JSON object, not {type(row).__name__}.")
    return row


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """A YAML file of `key: value` lines.

    Raises:
        UserError: the file cannot be read, or is no such mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the config file {path} ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not readable as YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold 'key: value' lines, not {type(content).__name__}.")
    return content


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that has its name when all is written, and is gone otherwise; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all; see `whole_file`."""
    with whole_file(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, as `write_text` does."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
