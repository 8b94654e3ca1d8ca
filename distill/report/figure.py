"""The figure: accuracy by training step."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from distill.report.labels import (
    BENCHMARK_NAMES,
    Entry,
    condition_name,
    in_order,
    metric_column,
    model_name,
    shown_metrics,
)
from distill.report.tables import base_entries, trained_entries

# Okabe and Ito's palette, told apart by every kind of colour vision; markers tell apart without colour.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")


def accuracy_by_step(groups: Mapping[tuple[str, str], Sequence[Entry]], path: Path) -> bool:
    """Draw the primary metric by step, a panel per model and benchmark; False if nothing was trained.

    Vertical bars and shades are 95% intervals; dashed lines are the base model by number of demonstrations.
    """
    panels = {key: group for key, group in groups.items() if trained_entries(group)}
    if not panels:
        return False
    # The object interface: no display, and no state shared with a caller's figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(6.4 * columns, 4.2 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    several_models = len({model for model, _ in panels}) > 1
    for number, ((model, benchmark), group) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(lines, columns, number)
        _draw(axes, benchmark, group)
        axes.set_title(BENCHMARK_NAMES[benchmark] + (f", {model_name(model)}" if several_models else ""))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(suffix=".png", dir=path.parent)
    os.close(descriptor)
    figure.savefig(temporary, dpi=150)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
    return True


def _draw(axes, benchmark: str, group: Sequence[Entry]) -> None:  # type: ignore[no-untyped-def] # matplotlib has no types
    primary = shown_metrics(benchmark)[0]
    trained = trained_entries(group)
    for number, condition in enumerate(in_order(entry["condition"] for entry in trained)):
        own = sorted((e for e in trained if e["condition"] == condition), key=lambda entry: entry["step"])
        metrics = [entry["metrics"][primary] for entry in own]
        rates = [100 * metric["rate"] for metric in metrics]
        below = [rate - 100 * metric["interval"][0] for rate, metric in zip(rates, metrics, strict=True)]
        above = [100 * metric["interval"][1] - rate for rate, metric in zip(rates, metrics, strict=True)]
        style = number % len(_COLOURS)
        axes.errorbar(
            [entry["step"] for entry in own], rates, yerr=[below, above], label=condition_name(condition),
            color=_COLOURS[style], marker=_MARKERS[style], capsize=3, linewidth=1.6, elinewidth=1,
        )  # fmt: skip
    for entry in sorted(base_entries(group), key=lambda entry: entry["num_fewshot"]):
        k = entry["num_fewshot"]
        rate = 100 * entry["metrics"][primary]["rate"]
        axes.axhline(
            rate, color="#555555", linestyle=":" if k == 0 else "--", linewidth=1.2, label=f"base, {k}-shot"
        )
    axes.set_xlabel("Training step")
    axes.set_xticks(sorted({entry["step"] for entry in trained}))
    axes.set_ylabel(f"{metric_column(primary)} (%)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
