"""One command of a run."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PROGRAM = 3
"""Words of a command that name its program: python -m module."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of a run.

    Attributes:
        name: Such as `train-gsm8k-baseline`.
        command: `python -m module` and arguments.
        output: The file or folder that it writes.
        done_when: A path that exists only once it has finished.
        inputs: Files whose content decides its result.
        after: Names of the stages whose results it reads.
        devices: GPUs that it is bound to; none: it takes what it finds, alone.
        placement: Arguments that say where it runs, not what; they follow the module.
        env: Environment variables that say where it runs.
    """

    name: str
    command: tuple[str, ...]
    output: Path
    done_when: Path
    inputs: tuple[Path, ...] = ()
    after: tuple[str, ...] = ()
    devices: tuple[int | str, ...] = ()
    placement: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.command[:_PROGRAM], *self.placement, *self.command[_PROGRAM:])


def module_command(module: str, *words: str, **options: Any) -> tuple[str, ...]:
    """`python -m module words --name value ...`."""
    return (sys.executable, "-m", module, *words, *flags(options))


def flags(options: Mapping[str, Any]) -> list[str]:
    """`--name value ...` for each option that is set."""
    found: list[str] = []
    for name, value in options.items():
        if value is not None:
            found += [f"--{name}", *(map(str, value) if isinstance(value, list | tuple) else [str(value)])]
    return found
