"""What a family of MATH-like problems is."""

import random
from collections.abc import Callable
from dataclasses import dataclass

Problem = tuple[str, str, str]
"""The problem, the worked steps, the answer in LaTeX."""


@dataclass(frozen=True, slots=True)
class Family:
    """Problems of one shape.

    Attributes:
        type: The subject, as MATH names it.
        level: 1 to 5.
        make: Draws one problem.
    """

    type: str
    level: int
    make: Callable[[random.Random], Problem]
