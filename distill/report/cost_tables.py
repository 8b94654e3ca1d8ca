"""The tables of what baking cost: retention, drift, economy."""

from collections.abc import Sequence

from distill.report.cost_words import milliseconds, retention_words
from distill.report.costs import Cost
from distill.report.entries import metric_heading, shown_metrics, title_of
from distill.report.labels import MISSING, interval, points, table, with_interval
from distill.report.paired_tables import p_value
from distill.statistics.retention import ENOUGH_ROWS, MARGIN

NOTE = (
    "Tasks that have nothing to do with the job, asked bare; both answered the same rows. Intervals and "
    "tests are those of the paired comparisons, p adjusted over a student's tasks. That it forgot nothing is "
    f"said with {ENOUGH_ROWS} rows or more whose interval excludes a loss of {100 * MARGIN:.0f} points. "
    "Drift: KL(bare model || student) per token over the bare model's own greedy answers to 64 prompts of "
    "general kinds, its interval by the bootstrap over prompts; tokens as before: the share that is the "
    "student's likeliest, too."
)
ECONOMY_NOTE = (
    "Prompt tokens: mean over the evaluated rows. First token: median time of single requests with so many "
    "tokens that no cache knows, of the bare model with the prompt and the student without it. The training "
    "has paid for itself when the seconds saved exceed those of its training and of the teacher's answers; "
    "with prefix caching a shared prompt costs less, and that takes longer."
)


def retention_table(costs: Sequence[Cost]) -> str | None:
    """Bare model and students on each task; None where none was asked."""
    rows = []
    for cost in costs:
        if cost.kept is None:
            continue
        for (bare, own), paired, p in zip(cost.tasks, cost.kept.tasks, cost.kept.p_holm, strict=True):
            name = shown_metrics(bare)[0]
            row = [_name(cost), title_of(bare), metric_heading(bare, name), str(paired.n)]
            row += [with_interval(bare["metrics"][name]), with_interval(own["metrics"][name])]
            rows.append([*row, points(paired.difference), interval(paired.interval), p_value(p)])
    header = ["Student", "Task", "Metric", "Rows", "Bare model", "Student's", "Difference"]
    return table([*header, "95% interval", "p (adjusted)"], rows) if rows else None


def verdict_table(costs: Sequence[Cost]) -> str | None:
    """What is said of each student's memory, and its drift."""
    rows = []
    for cost in costs:
        drift, bounds = cost.drift, cost.drift_interval
        cells = [MISSING] * 3
        if drift and bounds:
            cells = [f"{drift['kl']:.4f}", f"[{bounds[0]:.4f}, {bounds[1]:.4f}]", f"{drift['same']:.1%}"]
        rows.append([_name(cost), retention_words(cost) or MISSING, *cells])
    header = ["Student", "Retention", "Drift (nats per token)", "95% interval", "Tokens as before"]
    return table(header, rows) if rows else None


def economy_table(costs: Sequence[Cost]) -> str | None:
    """What a request saves, and when that has paid for the training; None where it was not measured."""
    rows = []
    for cost in costs:
        if (found := cost.economy) is None:
            continue
        lengths = [f"{found[f'prompt_tokens_{name}']:.0f}" for name in ("before", "after")]
        times = [milliseconds(found[f"prefill_seconds_{name}"]) for name in ("before", "after")]
        training, pays = found["training_seconds"], found["requests_to_pay"]
        row = [_name(cost), " → ".join(lengths), " → ".join(times), _seconds(training)]
        row += [_seconds(found["answers_seconds"]), MISSING if pays is None else f"{pays:,}"]
        rows.append([*row, f"{found['engine']}, {found['device']}"])
    header = ["Student", "Prompt tokens", "First token (ms)", "Training (s)", "Teacher's answers (s)"]
    return table([*header, "Paid for itself after (requests)", "Engine"], rows) if rows else None


def cost_parts(costs: Sequence[Cost]) -> list[str]:
    """All of it as Markdown."""
    parts = []
    if text := retention_table(costs):
        parts.append(text)
    if text := verdict_table(costs):
        parts += [text, NOTE]
    if text := economy_table(costs):
        parts += [text, ECONOMY_NOTE]
    return parts


def _name(cost: Cost) -> str:
    return f"{cost.condition} step {cost.step}"


def _seconds(value: float | None) -> str:
    return MISSING if value is None else f"{value:.0f}"
