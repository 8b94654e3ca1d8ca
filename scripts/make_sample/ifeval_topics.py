"""The hand-written texts behind the IFEval-like rows, read from `material/*.yaml`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MATERIAL = Path(__file__).parent / "material"
_SLOT = re.compile(r"\{([^|{}]+)\|([^|{}]+)\}")


@dataclass(frozen=True, slots=True)
class Topic:
    """A writing task and the parts its answers are made of.

    Attributes:
        asks: Ways to ask for it.
        title: A heading.
        text: Sentences that make sense up to any point; `{shown|slot}` marks a detail.
        extra: What a postscript could say.
        close: A closing phrase.
        alt: Another answer altogether.
        forbidden: Two words that occur nowhere in the above.
    """

    asks: list[str]
    title: str
    text: list[str]
    extra: str
    close: str
    alt: str
    forbidden: list[str]


def load_topics(*names: str) -> list[Topic]:
    """The topics of the named files."""
    return [Topic(**entry) for name in names for entry in load(name)]


def load(name: str) -> Any:
    """The content of `material/<name>.yaml`."""
    return yaml.safe_load((MATERIAL / f"{name}.yaml").read_text(encoding="utf-8"))


def details(sentences: list[str]) -> dict[str, str]:
    """Slot -> shown text, in order of appearance."""
    return {slot: shown for sentence in sentences for shown, slot in _SLOT.findall(sentence)}


def render(
    sentences: list[str], mark: Callable[[str, str], str] = lambda shown, slot: shown, first: int = 99
) -> list[str]:
    """The sentences with `mark(shown, slot)` for the first `first` details, and the rest as shown."""
    seen = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return mark(match[1], match[2]) if seen <= first else match[1]

    return [_SLOT.sub(replace, sentence) for sentence in sentences]
