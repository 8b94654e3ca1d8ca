"""The instructions' arguments: read, checked, bound to their checkers."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.scorer.registry import CHECKERS
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.constraints import UnknownConstraintError, find, is_replaced
from lm_eval_tasks.scoring.constraints.arguments import (
    is_missing,
    one_of,
    read_count,
    read_text,
    read_texts,
)

Instruction = Callable[[Text], bool]


def bind(
    instruction_id_list: Sequence[str],
    kwargs: str | Sequence[Mapping[str, Any] | None],
    prompt: str = "",
    unknown: list[str] | None = None,
) -> list[Instruction]:
    """One function per instruction, from a text to whether it follows the instruction.

    Args:
        instruction_id_list: See `check`.
        kwargs: See `check`.
        prompt: See `check`.
        unknown: Takes what is said of unknown ids, which no text follows then; None: they are errors.

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
    instructions = []
    for name, entry in zip(instruction_id_list, entries, strict=True):
        try:
            instructions.append(_bind_one(name, entry, prompt, quoted))
        except UnknownConstraintError as error:
            if unknown is None:
                raise
            unknown.append(str(error))
            instructions.append(_never)
    return instructions


def _never(text: Text) -> bool:
    return False


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


def _bind_one(name: str, entry: Mapping[str, Any], prompt: str, quoted: str) -> Instruction:
    if name in CHECKERS and not is_replaced(name):
        return bind_official(name, entry, quoted)
    try:
        holds = find(name).bind(entry, prompt)
    except UserError as error:
        raise type(error)(f"{error}{quoted}.") from None
    return lambda text: holds(text.raw)


def bind_official(name: str, entry: Mapping[str, Any], quoted: str = "") -> Instruction:
    """One of the 25 official instructions with its arguments.

    Raises:
        UserError: an argument is missing or unusable.
    """
    checker = CHECKERS[name]
    arguments = {}
    for parameter, kind in checker.parameters.items():
        value = entry.get(parameter)
        if is_missing(value):
            raise UserError(f"instruction {name} lacks its argument {parameter!r}{quoted}.")
        try:
            arguments[parameter] = _READERS[kind](value)
        except ValueError as error:
            raise UserError(
                f"instruction {name}: argument {parameter!r} {error}, not {value!r:.60}{quoted}."
            ) from None
    return partial(checker.holds, **arguments) if arguments else checker.holds


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "count": read_count,
    "text": read_text,
    "texts": read_texts,
    "relation": one_of(("less than", "at least")),
}
