"""What all figures share: how they look, how they are laid out, and how they are saved."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval_tasks.files import whole_file

Axes = Any
"""Matplotlib's; it ships no types."""

# Okabe and Ito's palette, told apart by every kind of colour vision. Markers, hatches and dashes tell apart
# without colour; of each there are numbers without a common divisor, so that 210 conditions differ.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_HATCHES = ("", "//", "..", "xx", "\\\\")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
BASE_COLOUR = "#555555"

_SIZE = (4.2, 3.1)
_LEGEND_LINE = 0.2
"""Inches."""
# Condition names may hold dollars: no mathematics. A fixed salt: the same figure is the same file.
_SETTINGS = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "icl-distill",
    "axes.facecolor": "none",
    "hatch.linewidth": 0.6,
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: Over it.
        draw: Draws into axes.
        legend: Lines that its legend takes, at two entries a line.
        height: Of the axes, in inches; None: the usual one.
    """

    title: str
    draw: Callable[[Axes], None]
    legend: int = 0
    height: float | None = None

    @property
    def inches(self) -> float:
        """Height with everything."""
        return (self.height or _SIZE[1]) + _LEGEND_LINE * self.legend


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure.

    Attributes:
        name: Of its files, without the ending.
        title: What it shows.
        caption: How to read it.
        panels: At least one.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]


def line_style(number: int) -> dict[str, Any]:
    """Colour, marker and dashes of condition `number`."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "linewidth": 1.6,
        "markersize": 5,
    }


def bar_style(number: int) -> dict[str, Any]:
    """Colour and hatch of condition `number`; -1 is the base model."""
    if number < 0:
        return {"facecolor": BASE_COLOUR, "edgecolor": "black", "linewidth": 0.6, "hatch": ""}
    hatch = _HATCHES[number % len(_HATCHES)]
    return {
        "facecolor": COLOURS[number % len(COLOURS)],
        "edgecolor": "black",
        "linewidth": 0.6,
        "hatch": hatch,
    }


def legend_lines(entries: int) -> int:
    """Lines of a legend with so many entries."""
    return -(-entries // 2)


def put_legend(axes: Axes, *, below: float = 0.16) -> None:
    """A legend under the axes, two entries a line.

    Args:
        axes: With labelled artists.
        below: Room for the axis label, in shares of the axes' height.
    """
    axes.legend(
        fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -below), ncols=2, frameon=False,
        handlelength=3,
    )  # fmt: skip


def save(drawing: Drawing, folder: Path) -> list[str]:
    """Write the figure as PNG and SVG, all panels side by side; returns the files' names."""
    names = [f"{drawing.name}.png", f"{drawing.name}.svg"]
    with _figure(drawing.panels) as figure:
        for name in names:
            with whole_file(folder / name) as file:
                file.write(_bytes(figure, name.rpartition(".")[2], facecolor="white"))
    return names


def panel_svg(panel: Panel) -> str:
    """One panel as an SVG document without a background."""
    with _figure((panel,)) as figure:
        return _bytes(figure, "svg", transparent=True).decode()


@contextmanager
def _figure(panels: tuple[Panel, ...]) -> Iterator[Any]:
    """Matplotlib's figure, laid out, under our settings."""
    import matplotlib

    # The object interface: no display, and no state shared with a caller's figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    lines = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [max(panel.inches for panel in line) for line in lines]
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(_SIZE[0] * columns, sum(heights)), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(len(lines), columns, height_ratios=heights)
        for number, panel in enumerate(panels):
            axes = figure.add_subplot(grid[number // columns, number % columns])
            panel.draw(axes)
            axes.set_title(panel.title, fontsize="medium")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out: not again for every format
        yield figure


def _bytes(figure: Any, ending: str, **how: Any) -> bytes:
    file = io.BytesIO()
    metadata = {"Date": None} if ending == "svg" else None
    figure.savefig(file, format=ending, dpi=180 if ending == "png" else 72, metadata=metadata, **how)
    return file.getvalue()
