"""`module:function`: a metric of the user's own."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lm_eval_tasks.errors import UserError

MetricFunction = Callable[[str, Mapping[str, Any]], "bool | float"]


def import_metric(spec: str) -> tuple[MetricFunction, bool]:
    """The function that `module:function` names, and whether it says that it returns a bool.

    Raises:
        UserError: it cannot be imported, or cannot be called with a reply and a reference.
    """
    module_name, _, name = spec.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        raise UserError(
            f"metric {spec!r}: no module named {error.name!r} can be imported. Install it, or name its "
            "folder in the environment variable PYTHONPATH (PYTHONPATH=. for the current one)."
        ) from error
    except AttributeError as error:
        raise UserError(
            f"metric {spec!r}: {error}. Name a function of that module, as in module:function."
        ) from error
    except Exception as error:  # whatever a user's module does while it is imported
        raise UserError(
            f"metric {spec!r}: importing {module_name!r} raised {type(error).__name__}: {error}. Mend it."
        ) from error
    return _checked(spec, found)


def as_score(value: Any) -> float:
    """What a metric's function returned, as a score.

    Raises:
        ValueError: it is neither a bool nor a number from 0 to 1.
    """
    try:
        number = float(value) if not isinstance(value, str | bytes) else None
    except (TypeError, ValueError):
        number = None
    if number is None or not 0 <= number <= 1:
        raise ValueError(f"it returned {value!r:.80}, which is neither a bool nor a number from 0 to 1")
    return number


def _checked(spec: str, found: Any) -> tuple[MetricFunction, bool]:
    if not callable(found) or inspect.isclass(found):
        raise UserError(
            f"metric {spec!r} is of type {type(found).__name__}, not a function; name a function."
        )
    try:
        signature = inspect.signature(found)
        signature.bind("", {})
    except TypeError:
        raise UserError(
            f"metric {spec!r}: {spec.partition(':')[2]}{signature} cannot be called with (reply, reference); "
            "it must take these two."
        ) from None
    except ValueError:  # no signature, as some built-in functions
        return found, False
    return found, signature.return_annotation in (bool, "bool")
