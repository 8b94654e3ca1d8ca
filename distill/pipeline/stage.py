"""One command of a run, and what it is of."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PROGRAM = 3
"""Words of a command that name its program: python -m module."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that a stage does by itself: where it is there already, the stage does the others.

    Attributes:
        name: Such as `baseline 200`; of a training, that of the stage that it is when it has one of its own.
        output: What it writes: the stage's own output, which holds all parts, or a folder for itself.
        done_when: A path that exists only once it has finished.
        meaning: See `Stage`.
        after: Names of stages and parts whose results it reads.
    """

    name: str
    output: Path
    done_when: Path
    meaning: Any = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of a run.

    Attributes:
        name: Such as `train-gsm8k-baseline`.
        command: `python -m module` and arguments.
        output: The file or folder that it writes.
        done_when: A path that exists only once it has finished.
        inputs: Files that have to be there.
        meaning: What decides its result, in the values that `distill.pipeline.meaning.meaning_of` knows;
            None: the command, and the content of the inputs.
        after: Names of the stages and parts whose results it reads.
        parts: What it does one by one, if it can add to a result.
        beside: Further files and folders of its result.
        optional: Whether the stages after it can do without it.
        report_on: Results any of which is enough for it to run though a stage before it has failed.
        devices: GPUs that it is bound to; none: it takes what it finds, alone.
        placement: Arguments that say where it runs, not what; they follow the module.
        env: Environment variables that say where it runs.
    """

    name: str
    command: tuple[str, ...]
    output: Path
    done_when: Path
    inputs: tuple[Path, ...] = ()
    meaning: Any = None
    after: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    beside: tuple[Path, ...] = ()
    optional: bool = False
    report_on: tuple[Path, ...] = ()
    devices: tuple[int | str, ...] = ()
    placement: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.command[:_PROGRAM], *self.placement, *self.command[_PROGRAM:])

    @property
    def shares_output(self) -> bool:
        """Whether one file holds what all parts write."""
        return all(part.output == self.output for part in self.parts)


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
