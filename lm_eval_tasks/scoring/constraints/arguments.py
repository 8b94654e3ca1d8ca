"""The arguments of constraints as rows hold them, read by what a function's annotations say they are."""

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Reader = Callable[[Any], Any]
"""From a row's value to the argument; raises `ValueError` that says what it must be."""


def is_missing(value: Any) -> bool:
    """Whether a row leaves an argument out; hubs fill with nulls, and tables with NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def read_count(value: Any) -> int:
    """A whole number of at least 0; hubs store 3 as 3.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0 or value < 0:
        raise ValueError("must be a whole number of at least 0")
    return int(value)


def read_number(value: Any) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("must be a number")
    return float(value)


def read_text(value: Any) -> str:
    """A text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be non-empty text")
    return value


def read_texts(value: Any) -> tuple[str, ...]:
    """Several such texts."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ValueError("must be a non-empty list of texts")
    return tuple(read_text(entry) for entry in value)


def one_of(choices: Sequence[Any]) -> Reader:
    """One of several values."""

    def read(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(map(str, choices))}")
        return value

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _as_it_stands(value: Any) -> Any:
    return value


_READERS: Mapping[Any, Reader] = {int: read_count, float: read_number, str: read_text, bool: _flag}


def reader_of(annotation: Any) -> Reader:
    """How a value of this type is read; of an unknown type, or of none, it is taken as it stands."""
    if annotation in _READERS:
        return _READERS[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        kinds = [kind for kind in inner if kind is not type(None)]
        return reader_of(kinds[0]) if len(kinds) == 1 else _as_it_stands
    if origin is typing.Literal:
        return one_of(inner)
    if inner and inner[0] is str and origin in (list, tuple, Sequence):
        return read_texts
    return _as_it_stands


def readers_of(function: Callable[..., Any]) -> dict[str, tuple[Reader, bool]]:
    """Of every parameter but the first: its reader, and whether it must be given."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # a name that only a type checker imports
        hints = {}
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {
        one.name: (reader_of(hints.get(one.name)), one.default is one.empty)
        for one in parameters
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    }
