"""YAML files and command line -> configuration objects; a mistyped key never passes unnoticed.

`--base_config` is read first, `--config` is laid over it, and any `--key value` over both.
"""

import argparse
import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

from trl import TrlParser

from distill.model.devices import gpus_here
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_yaml_mapping

FILE_OPTIONS = ("--base_config", "--config")


class _Parser(TrlParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}.")


def parse_run(
    kinds: Iterable[type], argv: Sequence[str] | None = None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Build one object of each dataclass from files and command line.

    Args:
        kinds: Dataclasses whose fields are the known keys.
        argv: The command line; default: the process's own.

    Returns:
        The objects in the order of `kinds`, and the merged settings that were given.

    Raises:
        UserError: a file is missing or no mapping; a key is unknown, or its value cannot be read.
    """
    parser = _Parser(tuple(kinds))
    files, rest = _split_files(list(sys.argv[1:] if argv is None else argv))
    known = {action.dest: action for action in parser._actions if action.dest != "help"}
    settings: dict[str, Any] = {}
    for path in files:
        settings |= _read(path, known)
    parser.set_defaults_with_config(**settings)
    objects = _parse(parser, rest, known)
    return objects, settings | _given(objects, rest, known)


def merged_settings(
    kinds: Iterable[type], files: Sequence[Path], over: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """The settings that `parse_run` would find, defaults included, without building objects of them.

    Objects of transformers look at the machine's devices; a run is checked where it may only be planned.

    Args:
        kinds: Dataclasses whose fields are the known keys.
        files: YAML files, later ones laid over earlier ones.
        over: Settings laid over them in turn, each with the place where they stand, for messages.

    Raises:
        UserError: a file is missing or no mapping; a key is unknown, or its value cannot be read.
    """
    parser = _Parser(tuple(kinds))
    known = {action.dest: action for action in parser._actions if action.dest != "help"}
    settings = {name: action.default for name, action in known.items()}
    for path in files:
        settings |= _read(path, known)
    for where, given in over:
        settings |= _checked(where, given, known)
    return settings


def _split_files(argv: list[str]) -> tuple[list[Path], list[str]]:
    """The files in the order of `FILE_OPTIONS`, and everything else."""
    # Abbreviations are off: `--conf` must not silently be something else.
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in FILE_OPTIONS:
        parser.add_argument(option, type=Path)
    found, rest = parser.parse_known_args(argv)
    return [path for path in (found.base_config, found.config) if path is not None], rest


def _read(path: Path, known: Mapping[str, argparse.Action]) -> dict[str, Any]:
    return _checked(str(path), read_yaml_mapping(path), known)


def _checked(where: str, given: Mapping[str, Any], known: Mapping[str, argparse.Action]) -> dict[str, Any]:
    """Settings as the command line would have read them; `where` they stand, for messages."""
    for key in given:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; {_hint(str(key), known)}")
    return {key: _converted(where, key, value, known[key]) for key, value in given.items()}


def _converted(where: str, key: str, value: Any, action: argparse.Action) -> Any:
    """`value` as the command line would have read it."""
    if value is None or isinstance(value, dict):
        return value
    many = isinstance(value, list)
    if many and action.nargs not in ("+", "*"):
        raise UserError(f"{where}: key {key!r} takes one value, not the list {value!r}.")
    read = action.type if callable(action.type) else str
    try:
        values = [read(item if isinstance(item, str) else str(item)) for item in (value if many else [value])]
    except (TypeError, ValueError, argparse.ArgumentTypeError):
        kind = getattr(read, "__name__", "value")
        raise UserError(f"{where}: key {key!r} has the value {value!r}, which is no {kind}.") from None
    if action.choices is not None and not set(values) <= set(action.choices):
        raise UserError(
            f"{where}: key {key!r} is {value!r}; choose from {', '.join(map(str, action.choices))}."
        )
    return values if many else values[0]


def _parse(parser: _Parser, argv: list[str], known: Mapping[str, argparse.Action]) -> tuple[Any, ...]:
    flags = [word.partition("=")[0] for word in argv if word.startswith("--")]
    for flag in flags:
        name = flag[2:].replace("-", "_")
        if name not in known and name.removeprefix("no_") not in known and name != "help":
            raise UserError(f"unknown option {flag}; {_hint(name, known)}")
    # Given bare, it means: wherever the run was interrupted.
    if argv and "--resume_from_checkpoint" in argv:
        at = argv.index("--resume_from_checkpoint") + 1
        if at == len(argv) or argv[at].startswith("--"):
            argv = [*argv[:at], "auto", *argv[at:]]
    try:
        return parser.parse_args_into_dataclasses(args=argv)
    except UserError:
        raise
    except ValueError as error:  # settings that do not go together, or not with this machine
        count, words = gpus_here()
        remedy = "" if count else f" And {words}: without one give --use_cpu true, and one process."
        raise UserError(f"{str(error).strip()}{remedy}") from None


def _given(objects: tuple[Any, ...], argv: list[str], known: Mapping[str, argparse.Action]) -> dict[str, Any]:
    """The settings that the command line names, as they were understood."""
    names = {word[2:].partition("=")[0].replace("-", "_") for word in argv if word.startswith("--")}
    names = {name if name in known else name.removeprefix("no_") for name in names}
    return {
        name: _plain(getattr(part, name)) for part in objects for name in sorted(names) if hasattr(part, name)
    }


def _plain(value: Any) -> Any:
    """As a YAML file writes it: transformers turns some words, such as a scheduler's, into enums."""
    return value.value if isinstance(value, Enum) else value


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else "see --help for the known keys."
