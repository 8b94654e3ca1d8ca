"""The decorator, and what it has declared so far."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.constraints.definition import Constraint
from lm_eval_tasks.scoring.constraints.shapes import as_constraint

T = TypeVar("T")
_MARK = "__icl_constraints__"
_OWN = f"{__name__.partition('.')[0]}.benchmarks."

OWN: dict[str, Constraint] = {}
"""Those of this package's benchmarks that are imported."""

DECLARED: dict[str, Constraint] = {}
"""Those of modules that the running program imported itself."""

_loading: list[dict[str, Constraint]] = []


def constraint(id: str) -> Callable[[T], T]:
    """Declare a function, or a checker class, as the constraint `id`; what it decorates stays as it is.

    A function takes the answer's text and, as further parameters, its arguments. Annotations say how they
    are read and checked: `int` (a whole number of at least 0), `float`, `str` (not blank), `bool`,
    `tuple[str, ...]` or a `Literal`; others are handed on as they stand. A parameter `prompt` gets the row's
    question.

    Raises:
        UserError: it is neither, or another function of the program has this id.
    """

    def declare(found: T) -> T:
        module = str(getattr(found, "__module__", ""))
        new = as_constraint(id, found, module)
        setattr(found, _MARK, {**declared_by(found), id: new})
        layer = OWN if module.startswith(_OWN) else (_loading[-1] if _loading else DECLARED)
        # A module that is loaded anew, as notebooks do, replaces its own.
        if id in layer and layer[id].origin != module:
            raise UserError(f"constraint {id!r} is declared twice: in {layer[id].origin} and in {module}.")
        layer[id] = new
        return found

    return declare


@contextmanager
def collected() -> Iterator[dict[str, Constraint]]:
    """What is declared while a package is loaded, kept apart from what the program declares itself."""
    _loading.append({})
    try:
        yield _loading[-1]
    finally:
        _loading.pop()


def declared_by(found: Any) -> dict[str, Constraint]:
    """What was declared with one object."""
    marks = getattr(found, "__dict__", {}).get(_MARK, {})
    return dict(marks) if isinstance(marks, dict) else {}
