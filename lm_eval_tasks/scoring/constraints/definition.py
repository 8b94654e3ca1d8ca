"""What a constraint is, whatever it was written as."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval_tasks.errors import UserError

Check = Callable[[str], bool]
"""Whether a text, which is not blank, keeps a constraint."""


class UnknownConstraintError(UserError):
    """A row names a constraint that nothing defines."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A kind of constraint.

    Attributes:
        id: Its name in rows, such as `count:numbers`.
        bind: `bind(arguments, prompt)`: the check with a row's arguments, which may hold nulls; `prompt` is
            the text of the row's question. Raises `UserError` where an argument is missing, unknown or
            unusable.
        origin: Where it was found, for messages.
    """

    id: str
    bind: Callable[[Mapping[str, Any], str], Check]
    origin: str
