"""What pydantic finds wrong in a run file, as one paragraph that names each key, its value and the remedy."""

import dataclasses
import difflib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_MAPPINGS = ("dict_type", "mapping_type", "dataclass_type")


def complaint(error: ValidationError, kind: type) -> str:
    """All errors in one paragraph.

    Args:
        error: What pydantic raised.
        kind: The dataclass that was to be built.
    """
    errors = error.errors()
    # A list all of whose members are refused counts as empty, too.
    found = [one for one in errors if one["type"] != "too_short" or not _is_above(one["loc"], errors)]
    return "; ".join(dict.fromkeys(_sentence(one, kind) for one in found)).rstrip(".") + "."


def nearest(name: str, known: Sequence[str]) -> str:
    """Which key was probably meant."""
    if close := difflib.get_close_matches(name, known, n=1):
        return f"did you mean {close[0]!r}?"
    best = max(known, key=lambda key: _common(key, name))
    return f"the nearest is {best!r}; known keys: {', '.join(known)}"


def _common(one: str, other: str) -> int:
    """How many letters they begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _is_above(place: tuple[int | str, ...], errors: Sequence[ErrorDetails]) -> bool:
    return any(one["loc"][: len(place)] == place != one["loc"] for one in errors)


def _sentence(error: ErrorDetails, kind: type) -> str:
    parts, named = error["loc"], error["type"]
    place = ".".join(str(part) for part in parts if part != "[key]")
    if named in _UNKNOWN:
        above = ".".join(map(str, parts[:-1]))
        hint = nearest(str(parts[-1]), _fields_at(kind, parts[:-1]))
        return f"{above and above + ': '}unknown key {str(parts[-1])!r} ({hint})"
    if named == "missing":
        above = ".".join(map(str, parts[:-1]))
        return f"{above and above + ': '}key {str(parts[-1])!r} is missing; add it"
    if named == "value_error":
        own = str(error["ctx"]["error"])
        value = f"{error['input']!r:.60}"
        told = value in own or not _is_plain(error["input"])
        return f"{place and place + ': '}{'' if told else value + ' cannot be used; '}{own}"
    return f"{place}: {error['input']!r:.60} cannot be used; {_remedy(error)}"


def _remedy(error: ErrorDetails) -> str:
    if error["type"] in _MAPPINGS:
        return "it must be a mapping, name: value"
    if error["type"] == "tuple_type":
        return f"it must be a list: write [{error['input']}]"
    if error["type"] == "too_short":
        return "it must not be empty"
    return error["msg"].replace("Input should be", "it must be").replace("Input should", "it must")


def _is_plain(value: Any) -> bool:
    return not isinstance(value, Mapping) and not dataclasses.is_dataclass(value)


def _fields_at(kind: type, parts: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand at a place: down the types of the fields."""
    for part in parts:
        hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
        if part in hints:
            kind = _dataclass_in(hints[str(part)]) or kind
    return [found.name for found in dataclasses.fields(kind)]


def _dataclass_in(hint: Any) -> type | None:
    """The dataclass that a type speaks of: itself, or the value of a mapping, or one of several."""
    if dataclasses.is_dataclass(hint):
        return typing.cast(type, hint)
    return next((found for part in typing.get_args(hint) if (found := _dataclass_in(part))), None)
