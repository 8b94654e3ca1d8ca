"""The instructions' arguments: read, checked, bound to their checkers."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.scorer.registry import CHECKERS
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text
from lm_eval_tasks.errors import UserError

Instruction = Callable[[Text], bool]
_RELATIONS = ("less than", "at least")


def bind(
    instruction_id_list: Sequence[str], kwargs: str | Sequence[Mapping[str, Any] | None], prompt: str = ""
) -> list[Instruction]:
    """One function per instruction, from a text to whether it follows the instruction.

    Raises:
        UserError: see `check`.
    """
    quoted = f" (prompt {prompt!r:.60})" if prompt else ""
    names: Any = instruction_id_list  # of a file: anything
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(
            f"field 'instruction_id_list' must be a list of one or more ids, not {names!r:.80}{quoted}."
        )
    entries = _entries(kwargs, quoted)
    if len(entries) != len(instruction_id_list):
        raise UserError(
            f"kwargs has {len(entries)} entries for {len(instruction_id_list)} instructions{quoted}."
        )
    return [_bind_one(name, entry, quoted) for name, entry in zip(instruction_id_list, entries, strict=True)]


def _entries(kwargs: str | Sequence[Mapping[str, Any] | None], quoted: str) -> list[Mapping[str, Any]]:
    parsed: Any = kwargs
    if isinstance(kwargs, str):
        try:
            parsed = json.loads(kwargs)
        except (ValueError, RecursionError) as error:
            raise UserError(f"kwargs is not readable as JSON ({error}){quoted}.") from None
    if not isinstance(parsed, Sequence) or not all(isinstance(entry, Mapping | None) for entry in parsed):
        raise UserError(f"kwargs must be a list of objects, one per instruction, not {parsed!r:.80}{quoted}.")
    return [entry or {} for entry in parsed]


def _bind_one(name: str, entry: Mapping[str, Any], quoted: str) -> Instruction:
    checker = CHECKERS.get(name)
    if checker is None:
        raise UserError(f"unknown instruction id {name!r}{quoted}; the 25 official ones are known.")
    arguments = {}
    for parameter, kind in checker.parameters.items():
        value = entry.get(parameter)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            raise UserError(f"instruction {name} lacks its argument {parameter!r}{quoted}.")
        try:
            arguments[parameter] = _READERS[kind](value)
        except ValueError as error:
            raise UserError(
                f"instruction {name}: argument {parameter!r} {error}, not {value!r:.60}{quoted}."
            ) from None
    return partial(checker.holds, **arguments) if arguments else checker.holds


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0 or value < 0:
        raise ValueError("must be a whole number of at least 0")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be non-empty text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ValueError("must be a non-empty list of texts")
    return tuple(_text(entry) for entry in value)


def _relation(value: Any) -> str:
    if value not in _RELATIONS:
        raise ValueError(f"must be one of {', '.join(_RELATIONS)}")
    return str(value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "count": _count,
    "text": _text,
    "texts": _texts,
    "relation": _relation,
}
