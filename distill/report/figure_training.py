"""Figures of training: loss, and divergence from the teacher."""

from collections.abc import Callable, Sequence
from functools import partial

from distill.report.collect import TrainingRun
from distill.report.entries import in_order
from distill.report.figure import Axes, Drawing, Panel, legend_lines, line_style, put_legend
from distill.report.labels import plain_condition

Curve = Callable[[TrainingRun], Sequence[tuple[int, float]]]


def losses(runs: Sequence[TrainingRun]) -> Drawing | None:
    """Training loss by step, a panel per benchmark."""
    caption = (
        "Training loss as logged. Conditions have objectives of their own: compare a curve with itself, not "
        "with the others."
    )
    panels = _panels(runs, lambda run: run.losses, "Training loss")
    return Drawing("loss", "Training loss", caption, panels) if panels else None


def divergences(runs: Sequence[TrainingRun]) -> Drawing | None:
    """KL from the teacher by step, a panel per benchmark; step 0 is the base model."""
    teacher = "few-shot" if all(run.teacher == "few-shot" for run in runs) else "prompted"
    caption = (
        f"Mean KL({teacher} teacher || bare student) per answer token on held-out rows, in nats. Step 0 is "
        "the base model; lower is nearer to the teacher."
    )
    panels = _panels(runs, _divergence, "KL (nats per token)")
    title = f"Divergence from the {teacher} teacher"
    return Drawing("divergence", title, caption, panels) if panels else None


def _divergence(run: TrainingRun) -> list[tuple[int, float]]:
    return list(run.divergence.means.items())


def _panels(runs: Sequence[TrainingRun], curve: Curve, label: str) -> tuple[Panel, ...]:
    """One of each benchmark; a single step is no curve."""
    panels = []
    for benchmark in dict.fromkeys(run.benchmark for run in runs):
        own = [run for run in runs if run.benchmark == benchmark and len(curve(run)) > 1]
        if own:
            draw = partial(_draw, runs=own, curve=curve, label=label)
            panels.append(Panel(own[0].title, draw, legend_lines(len(own))))
    return tuple(panels)


def _draw(axes: Axes, runs: Sequence[TrainingRun], curve: Curve, label: str) -> None:
    order = list(in_order((run.condition, run.kind) for run in runs))
    for run in sorted(runs, key=lambda run: order.index(run.condition)):
        steps, values = zip(*curve(run), strict=True)
        axes.plot(
            steps, values, label=plain_condition(run.condition, run.kind), markevery=max(1, len(steps) // 8),
            **line_style(order.index(run.condition)),
        )  # fmt: skip
    axes.set_xlabel("Training step")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.grid(alpha=0.25)
    put_legend(axes)
