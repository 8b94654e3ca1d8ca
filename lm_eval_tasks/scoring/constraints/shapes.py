"""What a constraint may be written as: a function, or a checker class in the shape of Google's IFEval."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.constraints.arguments import is_missing, readers_of
from lm_eval_tasks.scoring.constraints.definition import Check, Constraint

PROMPT = "prompt"
"""An argument of this name is the row's question, where the row does not give it."""


def as_constraint(id: str, found: Any, origin: str) -> Constraint:
    """The constraint that an object defines.

    Args:
        id: Its name in rows.
        found: A `Constraint`, a checker class, or a function of a text and keyword arguments.
        origin: Where it was found.

    Raises:
        UserError: it is none of these.
    """
    if isinstance(found, Constraint):
        return found
    if inspect.isclass(found) and _has_methods(found):
        return Constraint(id, partial(_bind_class, id, found), origin)
    if callable(found) and not inspect.isclass(found):
        return Constraint(id, partial(_bind_function, id, found, readers_of(found)), origin)
    raise UserError(
        f"constraint {id!r} ({origin}) is {found!r:.80}; it must be a function of a text, or a class with "
        "the methods 'build_description' and 'check_following'."
    )


def _has_methods(found: type) -> bool:
    return all(callable(getattr(found, name, None)) for name in ("build_description", "check_following"))


def _bind_function(
    id: str, function: Callable[..., Any], readers: Mapping[str, Any], entry: Mapping[str, Any], prompt: str
) -> Check:
    given = _given(entry)
    if PROMPT in readers:
        given.setdefault(PROMPT, prompt)
    _refuse_others(id, given, readers)
    arguments = {}
    for name, (read, required) in readers.items():
        if name not in given:
            if required:
                raise UserError(f"constraint {id} lacks its argument {name!r}")
            continue
        try:
            arguments[name] = read(given[name])
        except ValueError as error:
            raise UserError(f"constraint {id}: argument {name!r} {error}, not {given[name]!r:.60}") from None
    return lambda text: bool(function(text, **arguments))


def _bind_class(id: str, checker_class: Callable[[str], Any], entry: Mapping[str, Any], prompt: str) -> Check:
    """A checker of its own for every row: it keeps the arguments.

    Classes of this shape draw an argument at random where it is left out, so none may be.
    """
    given = {name: _whole(value) for name, value in _given(entry).items()}
    try:
        checker = checker_class(id)
        wanted = list(getattr(checker, "get_instruction_args_keys", list)() or ())
        if PROMPT in wanted:
            given.setdefault(PROMPT, prompt)
        if missing := [name for name in wanted if name not in given]:
            raise UserError(f"constraint {id} lacks its argument {missing[0]!r}")
        checker.build_description(**given)
    except UserError:
        raise
    except Exception as error:  # whatever a foreign class does
        raise UserError(
            f"constraint {id} refuses the arguments {given!r:.120} ({type(error).__name__}: {error})"
        ) from error
    return lambda text: bool(checker.check_following(text))


def _given(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if not is_missing(value)}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse_others(id: str, given: Mapping[str, Any], readers: Mapping[str, Any]) -> None:
    if others := sorted(given.keys() - readers.keys()):
        takes = ", ".join(readers) or "none"
        raise UserError(f"constraint {id} has no argument {others[0]!r} (it takes {takes})")
