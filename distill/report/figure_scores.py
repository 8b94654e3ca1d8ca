"""Figures of scores: accuracy by step, and gains."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

from distill.report.entries import (
    Entry,
    base_entries,
    conditions_of,
    is_bare,
    metric_column,
    primary,
    shown_metrics,
    title_of,
    trained_entries,
    truncation_differs,
)
from distill.report.figure import (
    BASE_COLOUR,
    Axes,
    Drawing,
    Panel,
    bar_style,
    legend_lines,
    line_style,
    put_legend,
)
from distill.report.labels import model_name, plain_condition, plain_name
from distill.report.paired import Comparison
from distill.report.tables import TRUNCATED_MARK

Groups = Mapping[tuple[str, str], Sequence[Entry]]


def accuracy_by_step(groups: Groups) -> Drawing | None:
    """The primary metric by training step, a panel per model and benchmark; None without two steps."""
    several_models = len({model for model, _ in groups}) > 1
    panels = []
    for (model, _), group in groups.items():
        trained = trained_entries(group)
        if len({entry["step"] for entry in trained}) > 1:
            entries = len({entry["condition"] for entry in trained}) + len(base_entries(group))
            title = title_of(group[0]) + (f", {model_name(model)}" if several_models else "")
            draw = partial(_draw_accuracy, group=group)
            panels.append(Panel(title, draw, legend_lines(entries)))
    caption = (
        "The primary metric of each checkpoint without the prompt. Vertical bars: 95% intervals, where "
        "there are any. Grey lines: the untrained model, bare and with the prompt."
    )
    return Drawing("accuracy", "Accuracy by training step", caption, tuple(panels)) if panels else None


def gains(compared: Sequence[Comparison]) -> Drawing | None:
    """Differences on the same rows, a panel per rival; None without any."""
    over: dict[str, list[Comparison]] = {}
    for found in compared:
        over.setdefault(f"Gain over {_rival(found.first)}", []).append(found)
    panels = []
    for title, lines in over.items():
        height = 1.0 + 0.34 * len(lines) + 0.2 * len({line.benchmark for line in lines})
        panels.append(Panel(title, partial(_draw_gains, compared=lines), height=max(2.0, height)))
    caption = (
        "Differences of the primary metric in points, on the same rows. Horizontal bars: 95% intervals, "
        f"where there are any.{TRUNCATED_MARK}: the truncated rates differ by more than 5 points."
    )
    return Drawing("gains", "Gains by benchmark", caption, tuple(panels)) if panels else None


def _rival(entry: Entry) -> str:
    if entry["step"] is None:
        return "the bare model"
    return plain_name(entry)


def _draw_accuracy(axes: Axes, group: Sequence[Entry]) -> None:
    trained = trained_entries(group)
    steps = sorted({entry["step"] for entry in trained})
    conditions = conditions_of(trained)
    apart = (steps[-1] - steps[0]) * 0.015  # intervals of one step do not cover each other
    for number, (condition, kind) in enumerate(conditions.items()):
        shift = apart * (number - (len(conditions) - 1) / 2)
        own = sorted((e for e in trained if e["condition"] == condition), key=lambda entry: entry["step"])
        metrics = [primary(entry) for entry in own]
        rates = [100 * metric["rate"] for metric in metrics]
        ends = [metric["interval"] or (math.nan, math.nan) for metric in metrics]
        below = [rate - 100 * low for rate, (low, _) in zip(rates, ends, strict=True)]
        above = [100 * high - rate for rate, (_, high) in zip(rates, ends, strict=True)]
        axes.errorbar(
            [entry["step"] + shift for entry in own], rates, yerr=[below, above],
            label=plain_condition(condition, kind), capsize=3, elinewidth=1, **line_style(number),
        )  # fmt: skip
    for entry in base_entries(group):
        rate = 100 * primary(entry)["rate"]
        dashes = ":" if is_bare(entry) else "--"
        axes.axhline(rate, color=BASE_COLOUR, linestyle=dashes, linewidth=1.2, label=plain_name(entry))
    axes.set_xlabel("Training step")
    axes.set_xticks(_few(steps))
    axes.set_ylabel(f"{metric_column(trained[0], shown_metrics(trained[0])[0])} (%)")
    axes.set_ylim(bottom=-0.03 * axes.get_ylim()[1])  # a marker at 0 is whole
    axes.grid(alpha=0.25)
    put_legend(axes)


def _draw_gains(axes: Axes, compared: Sequence[Comparison]) -> None:
    entries = [entry for line in compared for entry in (line.first, line.second)]
    names = list(conditions_of(trained_entries(entries)))
    places: list[float] = []
    labels = []
    for number, line in enumerate(compared):
        same = number and line.benchmark == compared[number - 1].benchmark
        places.append(places[-1] + (1.0 if same else 1.6) if places else 1.0)
        trained = line.second["step"] is not None
        style = bar_style(names.index(line.second["condition"]) if trained else -1)
        axes.barh(places[-1], 100 * line.paired.difference, height=0.7, **style)
        mark = TRUNCATED_MARK if truncation_differs(line.first, line.second) else ""
        labels.append(f"{title_of(line.first)}: {plain_name(line.second)}{mark}")
    gains = [100 * line.paired.difference for line in compared]
    # The difference need not lie in its interval's middle.
    known = [line.paired.interval or (math.nan, math.nan) for line in compared]
    ends = [[100 * bounds[end] for bounds in known] for end in (0, 1)]
    axes.hlines(places, *ends, color="black", linewidth=1.4)
    axes.plot(gains, places, color="black", marker="o", markersize=4, linestyle="none")
    for end in ends:
        axes.plot(end, places, color="black", marker="|", markersize=7, linestyle="none")
    axes.set_yticks(places, labels, fontsize="small")
    axes.set_ylim(places[-1] + 0.7, 0.3)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_xlabel("Difference (points)")
    axes.grid(alpha=0.25, axis="x")


def _few(steps: Sequence[int]) -> list[int]:
    """At most ten of them, the last one among them: labels do not run into each other."""
    stride = -(-len(steps) // 10)
    return list(steps[::-1][::stride][::-1])
