"""What the extras bring, and whether it is installed: told from the metadata that pyproject.toml became."""

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from lm_eval_tasks.errors import UserError

DISTRIBUTION = "icl-distill"


def requirements(extra: str = "") -> list[Requirement]:
    """What an extra asks for, with what the extras within it ask for; `""`: the base install.

    Empty for a checkout that is not installed: it has no metadata.
    """
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
    return list(_asked_for(extra, [Requirement(line) for line in lines]))


def _asked_for(extra: str, lines: Sequence[Requirement]) -> Iterator[Requirement]:
    for line in lines:
        in_base = line.marker is None or line.marker.evaluate({"extra": ""})
        wanted = line.marker is None or line.marker.evaluate({"extra": extra})
        if not wanted or (extra and in_base):
            continue
        if line.name != DISTRIBUTION:
            yield line
        for within in line.extras if line.name == DISTRIBUTION else ():
            yield from _asked_for(within, lines)


def installed(name: str) -> str | None:
    """The version of an installed distribution; None: it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def require(*extras: str, only: Sequence[str] = ()) -> None:
    """See that what extras bring is there, before anything is computed.

    Args:
        extras: Their names.
        only: Distributions; where they are given, nothing else of the extras is needed.

    Raises:
        UserError: something is not installed; it says what to install.
    """
    lacking: dict[str, list[str]] = {}
    for extra in extras:
        names = only or [line.name for line in requirements(extra)]
        if missing := [name for name in names if installed(name) is None]:
            lacking[extra] = missing
    if lacking:
        names = list(dict.fromkeys(name for missing in lacking.values() for name in missing))
        raise UserError(
            f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} not installed. "
            f"Run: {install_command(*lacking)}"
        )


def install_command(*extras: str) -> str:
    """What brings extras."""
    return f'pip install "{DISTRIBUTION}[{",".join(extras)}]"'
