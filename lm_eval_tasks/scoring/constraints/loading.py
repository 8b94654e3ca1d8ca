"""Where constraints are looked for."""

import difflib
import importlib
import logging
import os
import pkgutil
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.constraints.definition import Constraint, UnknownConstraintError
from lm_eval_tasks.scoring.constraints.registry import DECLARED, OWN, collected, declared_by
from lm_eval_tasks.scoring.constraints.shapes import as_constraint

logger = logging.getLogger(__name__)

GROUP = "icl_distill.constraints"
"""Entry points of packages: a module, a mapping of ids to checkers, or one checker under its id."""

VARIABLE = "ICL_CONSTRAINTS"
"""Modules (or `module:object`, with commas between them) whose constraints come before all others."""

_TABLE = "INSTRUCTION_DICT"  # of a registry module in Google's layout
_CLOSE = 0.8


def find(id: str) -> Constraint:
    """The constraint of that id.

    First those that `ICL_CONSTRAINTS` names, then this package's own, then those that the program declares,
    then those of installed packages. So what is installed never changes what an id of this package means.

    Raises:
        UnknownConstraintError: there is none.
        UserError: `ICL_CONSTRAINTS` names something that cannot be used, or the program declares an id of
            this package's.
    """
    named = _named(os.environ.get(VARIABLE, ""))
    if id in named:
        return named[id]
    if id in DECLARED and id in own():
        raise UserError(
            f"constraint {id!r} of {DECLARED[id].origin} is one of this package's own. Give it another id, "
            f"or name its module in {VARIABLE} to judge by it all the same."
        )
    for known in (own(), DECLARED):
        if id in known:
            return known[id]
    installed, failures = _installed()
    if id in installed:
        return installed[id]
    raise UnknownConstraintError(_unknown(id, failures))


def is_replaced(id: str) -> bool:
    """Whether `ICL_CONSTRAINTS` names a constraint of that id."""
    return id in _named(os.environ.get(VARIABLE, ""))


def known_ids() -> list[str]:
    """The ids of all constraints that can be found."""
    return sorted({*_named(os.environ.get(VARIABLE, "")), *own(), *DECLARED, *_installed()[0]})


def record() -> dict[str, Any]:
    """What results say of constraints that come before this package's own; empty where none do."""
    named = os.environ.get(VARIABLE, "")
    return {"constraints": {VARIABLE: named, "ids": sorted(_named(named))}} if named.strip() else {}


@cache
def own() -> Mapping[str, Constraint]:
    """This package's: a benchmark's folder may hold `constraints`, a module or a folder of modules."""
    for benchmark in pkgutil.iter_modules([str(TASK_DIR)]):
        folder = TASK_DIR / benchmark.name
        if (folder / "constraints.py").is_file() or (folder / "constraints" / "__init__.py").is_file():
            importlib.import_module(f"{TASK_DIR.parent.name}.{TASK_DIR.name}.{benchmark.name}.constraints")
    return OWN


@lru_cache(maxsize=8)
def _named(value: str) -> Mapping[str, Constraint]:
    found: dict[str, Constraint] = {}
    for spec in filter(None, map(str.strip, value.split(","))):
        module, _, name = spec.partition(":")
        try:
            loaded = _load(EntryPoint(name=name or module, value=spec, group=VARIABLE), spec)
        except UserError:
            raise
        except Exception as error:  # whatever a user's module does while it is imported
            raise UserError(
                f"{VARIABLE}: {spec!r} cannot be loaded ({type(error).__name__}: {error}). Name a module, or "
                "module:object, that can be imported (PYTHONPATH=. for the current folder)."
            ) from error
        found |= loaded
    return found


@cache
def _installed() -> tuple[Mapping[str, Constraint], list[str]]:
    """Installed packages' constraints, and what could not be loaded."""
    found: dict[str, Constraint] = {}
    failures = []
    for point in sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        try:
            loaded = _load(point, origin)
        except Exception as error:  # one broken package must not take the others' constraints away
            failures.append(f"{point.name} = {point.value} of {origin} ({type(error).__name__}: {error})")
            logger.warning("entry point %s cannot be loaded", failures[-1])
            continue
        if theirs := sorted(loaded.keys() & own().keys()):
            logger.warning(
                "%s: %d of its %d constraints have ids of this package, which keep their meaning (%s%s); "
                "to judge by it, set %s=%s", origin, len(theirs), len(loaded), ", ".join(theirs[:3]),
                ", ..." if len(theirs) > 3 else "", VARIABLE, point.value,
            )  # fmt: skip
        for id, one in loaded.items():
            if id in found:
                failures.append(f"{id} of {origin}, which {found[id].origin} defines too")
            found.setdefault(id, one)
    return found, failures


def _load(point: EntryPoint, origin: str) -> dict[str, Constraint]:
    """The constraints of what an entry point names.

    Raises:
        UserError: it names none.
    """
    with collected() as declared:
        found = point.load()
    if isinstance(found, ModuleType):
        marked = {id: one for each in vars(found).values() for id, one in declared_by(each).items()}
        constraints = _table(getattr(found, _TABLE, {}), origin) | declared | marked
    elif isinstance(found, Mapping):
        constraints = _table(found, origin)
    else:
        constraints = declared_by(found) or {point.name: as_constraint(point.name, found, origin)}
    if not constraints:
        raise UserError(
            f"{origin}: {point.value!r} declares no constraint; use the decorator lm_eval_tasks.constraint, "
            "or name a mapping of ids to checkers."
        )
    return constraints


def _table(checkers: Mapping[str, Any], origin: str) -> dict[str, Constraint]:
    return {id: as_constraint(id, checker, origin) for id, checker in checkers.items()}


def _unknown(id: str, failures: list[str]) -> str:
    close = difflib.get_close_matches(id, known_ids(), n=1, cutoff=_CLOSE)
    return (
        f"unknown constraint id {id!r:.80}"
        + (f"; did you mean {close[0]!r}?" if close else "")
        + ("; could not be loaded: " + "; ".join(failures) if failures else "")
    )
