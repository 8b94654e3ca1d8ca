"""Where the context helps: the held-out divergence by position in the answer, and by token."""

import json
import re
from collections.abc import Iterator, Sequence
from statistics import fmean

from distill.evaluation.token_divergence import TokenDivergence
from distill.report.labels import MINUS, table

_SHOWN = 10
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!<>~&])")

Figures = tuple[float, float]
"""Before and after."""


def token_parts(found: TokenDivergence) -> list[str]:
    """Two tables, with what they say.

    Args:
        found: Of one training.
    """
    places = {"first": list(_first(found)), "middle": list(_middle(found)), "last": list(_last(found))}
    rows = [[name, *_cells(values)] for name, values in places.items() if values]
    positions = table(["Token of the answer", "Tokens", "Before", f"Step {found.step}", "Change"], rows)
    by_text: dict[str, list[Figures]] = {}
    for text, *figures in (token for row in found.rows for token in row):
        by_text.setdefault(text, []).append((figures[0], figures[1]))
    lost = sorted(by_text.items(), key=lambda item: -_lost(item[1]))[:_SHOWN]
    tokens = [[_shown(text), *_cells(own), f"{_lost(own):.2f}"] for text, own in lost if _lost(own) > 0]
    header = ["Token", "Times", "Before", f"Step {found.step}", "Change", "Lost in all"]
    return [
        positions,
        *([table(header, tokens)] if tokens else []),
        "Mean KL per token, in nats: where the prompt makes a difference (before), and how much of it is "
        "left. An answer of one token is its first. Tokens by what they lost in all.",
    ]


def _first(found: TokenDivergence) -> Iterator[Figures]:
    return ((row[0][1], row[0][2]) for row in found.rows if row)


def _middle(found: TokenDivergence) -> Iterator[Figures]:
    return ((before, after) for row in found.rows for _, before, after in row[1:-1])


def _last(found: TokenDivergence) -> Iterator[Figures]:
    return ((row[-1][1], row[-1][2]) for row in found.rows if len(row) > 1)


def _cells(values: Sequence[Figures]) -> list[str]:
    before, after = (fmean(column) for column in zip(*values, strict=True))
    change = f"{after - before:+.4f}".replace("-", MINUS)
    return [str(len(values)), f"{before:.4f}", f"{after:.4f}", change]


def _lost(values: Sequence[Figures]) -> float:
    return sum(before - after for before, after in values)


def _shown(text: str) -> str:
    """A token in quotes, so that its spaces show; nothing in it is Markdown."""
    return _MARKDOWN.sub(r"\\\1", json.dumps(text, ensure_ascii=False))
