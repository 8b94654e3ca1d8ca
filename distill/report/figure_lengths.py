"""The figure of response lengths: how long responses are, and how many were cut at the token limit."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from distill.report.entries import Entry, conditions_of
from distill.report.figure import Axes, Drawing, Panel, bar_style
from distill.report.labels import plain_name
from distill.report.paired import RowLogs

_BINS = 24
Lengths = tuple[list[int], list[int]]
"""Tokens of responses that ended by themselves, and of those that were cut."""


def response_lengths(side_by_side: Mapping[str, Sequence[Entry]], logs: RowLogs) -> Drawing | None:
    """Histograms of response lengths, a panel per benchmark; None without the rows.

    Args:
        side_by_side: By panel title, the entries that are shown.
        logs: Their rows.
    """
    panels = []
    for title, entries in side_by_side.items():
        found = [(entry, _lengths(entry, logs)) for entry in entries]
        known = [(entry, lengths) for entry, lengths in found if lengths]
        if known:
            height = max(2.0, 1.0 + 0.5 * len(known))
            panels.append(Panel(title, partial(_draw, rows=known), height=height))
    caption = (
        "Histograms of response length, each to its own height. Hatched: cut at the token limit; at the "
        "right, their share."
    )
    return Drawing("lengths", "Response length and truncation", caption, tuple(panels)) if panels else None


def _lengths(entry: Entry, logs: RowLogs) -> Lengths | None:
    rows = logs.rows(entry)
    if rows is None:
        return None
    # Options that were compared by their likelihood have no length.
    generated = [row for row in rows.values() if row.get("response_tokens") is not None]
    ended = [row["response_tokens"] for row in generated if not row.get("truncated")]
    cut = [row["response_tokens"] for row in generated if row.get("truncated")]
    return (ended, cut) if generated else None


def _draw(axes: Axes, rows: Sequence[tuple[Entry, Lengths]]) -> None:
    names = list(conditions_of(entry for entry, _ in rows if entry["step"] is not None))
    longest = max(max([*ended, *cut]) for _, (ended, cut) in rows)
    edges = np.linspace(0, max(longest, 1), _BINS + 1)
    for place, (entry, (ended, cut)) in enumerate(rows):
        style = bar_style(names.index(entry["condition"]) if entry["step"] is not None else -1)
        counts = [np.histogram(lengths, bins=edges)[0].astype(float) for lengths in (ended, cut)]
        scale = 0.8 / max(1.0, float((counts[0] + counts[1]).max()))
        floor = np.full(_BINS, len(rows) - 1.0 - place)
        middle, top = floor + counts[0] * scale, floor + (counts[0] + counts[1]) * scale
        hatched = style | {"facecolor": "none", "hatch": "////"}
        axes.stairs(middle, edges, baseline=floor, fill=True, **style | {"hatch": ""})
        axes.stairs(top, edges, baseline=middle, fill=True, **hatched)
        share = len(cut) / (len(ended) + len(cut))
        axes.text(
            1.01, floor[0] + 0.3, f"{share:.0%} cut", fontsize="small", transform=axes.get_yaxis_transform()
        )
    axes.set_yticks(
        [len(rows) - 1 - place + 0.3 for place in range(len(rows))],
        [plain_name(entry) for entry, _ in rows],
        fontsize="small",
    )
    axes.set_ylim(-0.1, len(rows))
    axes.set_xlim(0, max(longest, 1))
    axes.set_xlabel("Response length (tokens)")
    axes.grid(alpha=0.25, axis="x")
