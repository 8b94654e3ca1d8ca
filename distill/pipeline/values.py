"""What the keys of a run file may hold, as types with their bounds."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

_BRACES = re.compile(r"\{([^{}]*)\}")
_FOLDER = re.compile(r"[A-Za-z0-9][\w.-]*")


def or_empty(value: Any) -> Any:
    """A name with nothing behind it stands for all defaults."""
    return {} if value is None else value


def _number_or(*words: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value in words or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            return value
        raise ValueError(f"give a number of 1 or more, or {' or '.join(words)}")

    return check


def _folder_name(name: str) -> str:
    if not _FOLDER.fullmatch(name):
        raise ValueError(f"{name!r} names a folder; use letters, digits, _, - and .")
    return name


def _config_name(name: str) -> str:
    if unknown := [found for found in _BRACES.findall(name) if found != "benchmark"]:
        raise ValueError(f"{', '.join(unknown)!r} stands for nothing; only {{benchmark}} is filled in")
    return name


def model_arguments(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """They travel as `name=value,name=value`."""
    for name, one in value.items():
        if re.search(r"[,=\s]", name) or re.search(r"[,=]", str(one)):
            raise ValueError(f"{name}={one}: commas and equals signs cannot be handed on; leave it out")
    if value.get("trust_remote_code"):
        raise ValueError("trust_remote_code: code out of a model's repository is never run here")
    return value


def _devices(value: Any) -> Any:
    fits = isinstance(value, list | tuple) and value and len(set(map(str, value))) == len(value)
    if not fits or not all(isinstance(one, str) or (type(one) is int and one >= 0) for one in value):
        raise ValueError(f"{value!r:.60} is no list of different GPUs; write [0, 1], or leave it out")
    return value


Positive = Annotated[int, Field(strict=True, ge=1)]
Fewshot = Annotated[int, Field(strict=True, ge=0)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
"""What numpy takes."""
Step = Annotated[Positive | Literal["best", "last"], BeforeValidator(_number_or("best", "last"))]
BatchSize = Annotated[Positive | Literal["auto"], BeforeValidator(_number_or("auto"))]
FolderName = Annotated[str, AfterValidator(_folder_name)]
ConfigName = Annotated[str, AfterValidator(_config_name)]
Devices = Annotated[tuple[int | str, ...], BeforeValidator(_devices)]
ModelArgument = bool | int | float | str
