"""One room per benchmark: rows, prompt, scorer, harness tasks, sample and README in one folder.

A folder beside this file that is a package with a `BENCHMARK` is a benchmark (`REWARDS`: a set of rows for
rewards); nothing else has to name it. Folders are imported when they are first asked for, and need neither
torch nor lm-eval.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from lm_eval_tasks.benchmarks.definition import Benchmark, RewardSet, Score
from lm_eval_tasks.errors import UserError

__all__ = ["BENCHMARKS", "REWARD_SETS", "Benchmark", "RewardSet", "Score", "get_benchmark"]

T = TypeVar("T")


class _Folders(Mapping[str, T], Generic[T]):
    """The subpackages that define `attribute`, in the order of their names."""

    def __init__(self, attribute: str) -> None:
        self._attribute = attribute
        self._packages = sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)

    def __getitem__(self, name: str) -> T:
        found = self._find(name) if name in self._packages else None
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._packages if self._find(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _find(self, name: str) -> T | None:
        found: Any = getattr(import_module(f"{__name__}.{name}"), self._attribute, None)
        if found is not None and found.name != name:
            raise RuntimeError(f"{__name__}.{name}: its name is {found.name!r}; it must be the folder's.")
        return found


BENCHMARKS: Mapping[str, Benchmark] = _Folders("BENCHMARK")
"""Every benchmark by name."""

REWARD_SETS: Mapping[str, RewardSet] = _Folders("REWARDS")
"""Every set of rows for rewards by name."""


def get_benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        UserError: there is none.
    """
    if name not in BENCHMARKS:
        raise UserError(f"unknown benchmark {name!r}; choose from {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[name]
