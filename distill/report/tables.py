"""The tables of a report, each from entries to Markdown."""

from collections.abc import Callable, Iterable, Sequence

from distill.evaluation.scores import shown_metrics
from distill.report.collect import Collection, TrainingRun
from distill.report.comparability import truncation_differs
from distill.report.labels import (
    BASELINE,
    MINUS,
    MISSING,
    Entry,
    benchmark_name,
    condition_name,
    counted,
    in_order,
    interval,
    metric_column,
    metric_heading,
    percent,
    points,
    subject_name,
    table,
    with_interval,
)

GapInterval = Callable[[Entry, Entry, str], tuple[float, float] | None]

TRUNCATED_MARK = " (!)"
TRUNCATED_NOTE = (
    "(!) The two truncated rates differ by more than 5 points: this difference may only say which model ends "
    "its responses. See the diagnostics."
)


def gap_table(group: Sequence[Entry], gap_interval: GapInterval) -> str | None:
    """Section 1 for one model and benchmark: the base model by number of demonstrations.

    Args:
        group: Entries of one model and benchmark.
        gap_interval: Of (0-shot entry, k-shot entry, metric): the 95% interval of the gap, if known.
    """
    base = sorted(base_entries(group), key=lambda entry: entry["num_fewshot"])
    if not base:
        return None
    names = shown_metrics(group[0]["benchmark"])
    header = ["Condition"]
    for name in names:
        header += [metric_column(group[0]["benchmark"], name), "95% interval"]
    rows = []
    for entry in base:
        cells = [f"{entry['num_fewshot']}-shot"]
        for name in names:
            metric = entry["metrics"][name]
            cells += [counted(metric), interval(metric["interval"])]
        rows.append(cells)
    zero = base[0]
    for entry in base[1:] if zero["num_fewshot"] == 0 else []:
        k = f" ({entry['num_fewshot']}-shot)" if len(base) > 2 else ""
        mark = TRUNCATED_MARK if truncation_differs(zero, entry) else ""
        cells = [f"**ICL gap{k}**"]
        for name in names:
            difference = entry["metrics"][name]["rate"] - zero["metrics"][name]["rate"]
            bounds = gap_interval(zero, entry, name)
            cells += [f"**{points(difference)}**{mark}", interval(bounds) if bounds else MISSING]
        rows.append(cells)
    return table(header, rows)


def checkpoint_tables(group: Sequence[Entry]) -> list[tuple[str, str]]:
    """Section 3 for one model and benchmark: heading and table of each shown metric, steps by conditions."""
    trained = trained_entries(group)
    conditions = in_order(entry["condition"] for entry in trained)
    at = {(entry["condition"], entry["step"]): entry for entry in trained}
    found = []
    for name in shown_metrics(group[0]["benchmark"]) if trained else []:
        rows = []
        for step in sorted({entry["step"] for entry in trained}):
            entries = [at.get((condition, step)) for condition in conditions]
            cells = [with_interval(entry["metrics"][name]) if entry else MISSING for entry in entries]
            rows.append([str(step), *cells])
        header = ["Step", *map(condition_name, conditions)]
        found.append((metric_heading(group[0]["benchmark"], name), table(header, rows)))
    return found


def summary_table(groups: Iterable[Sequence[Entry]]) -> str | None:
    """Section 4: for each benchmark the base model, the conditions at their last common step, and gains."""
    groups = [group for group in groups if trained_entries(group)]
    if not groups:
        return None
    conditions = in_order(entry["condition"] for group in groups for entry in trained_entries(group))
    others = [condition for condition in conditions if condition != BASELINE]
    names = {name: "SFT baseline" if name == BASELINE else _short(name, others) for name in conditions}
    gains = others if BASELINE in conditions else []
    header = ["Dataset", "Step", "0-shot", "k-shot", *names.values()]
    header += [f"Gain ({_gain(name, others)}{MINUS}SFT)" for name in gains]
    return table(header, [_summary_row(group, conditions, gains) for group in groups])


def diagnostics_table(entries: Iterable[Entry]) -> str:
    """How responses ended, and the score on those that ended by themselves."""
    names = ("truncated", "unclosed_think", "empty", "no_answer", "looping")
    header = ["Dataset", "Model", "Shots", "Truncated", "Unclosed think", "Empty", "No answer", "Looping"]
    header += ["Score on completed", "Mean tokens"]
    rows = []
    for entry in entries:
        found = entry["diagnostics"]
        completed = found["on_completed"]
        cells = [percent(found[name]["rate"]) if name in found else MISSING for name in names]
        row = [benchmark_name(entry["benchmark"]), _subject(entry), str(entry["num_fewshot"]), *cells]
        row.append(f"{percent(completed['rate'])} ({completed['count']}/{completed['total']})")
        rows.append([*row, f"{found['mean_response_tokens']:.0f}"])
    return table(header, rows)


def loss_table(runs: Iterable[TrainingRun]) -> str | None:
    """The first and the last logged training loss of each run."""
    rows = []
    for run in runs:
        if run.losses:
            (first, begin), (last, end) = run.losses[0], run.losses[-1]
            name = [benchmark_name(run.benchmark), condition_name(run.condition)]
            rows.append([*name, f"{begin:.4f} (step {first})", f"{end:.4f} (step {last})"])
    return table(["Dataset", "Condition", "First loss", "Last loss"], rows) if rows else None


def divergence_table(runs: Sequence[TrainingRun], benchmark: str) -> str | None:
    """Divergence to the few-shot teacher by step; step 0 is the base model."""
    measured = [run for run in runs if run.benchmark == benchmark and run.divergence]
    if not measured:
        return None
    order = in_order(run.condition for run in measured)
    measured.sort(key=lambda run: order.index(run.condition))
    rows = []
    for step in sorted({step for run in measured for step in run.divergence}):
        cells = [
            f"{run.divergence[step]['kl_teacher']:.4f}" if step in run.divergence else MISSING
            for run in measured
        ]
        rows.append([f"{step} (base model)" if step == 0 else str(step), *cells])
    return table(["Step", *(condition_name(run.condition) for run in measured)], rows)


def provenance_table(collection: Collection) -> str:
    """What each result was measured on, and with."""
    header = [
        "Dataset",
        "Model",
        "Model fingerprint",
        "dtype",
        "Backend",
        "Rows",
        "Data",
        "Prompts",
        "Seed",
        "File",
    ]
    rows = []
    for entry, source in zip(collection.entries, collection.sources, strict=True):
        data = entry["data"]
        model, request = entry["model"], entry["request"]
        row = [benchmark_name(entry["benchmark"]), subject_name(entry), model["fingerprint"], model["dtype"]]
        row += [request["backend"], str(data["rows"]), f"{data['source']} {data['fingerprint']}"]
        rows.append([*row, entry["prompts"]["fingerprint"], str(request["seed"]), source.name])
    return table(header, rows)


def software(entries: Iterable[Entry]) -> str:
    """The versions; several where they differ."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        for name, version in entry["versions"].items():
            if version and version not in found.setdefault(name, []):
                found[name].append(version)
    return (
        "Software: "
        + ", ".join(f"{name} {' / '.join(several)}" for name, several in found.items() if several)
        + "."
    )


def base_entries(group: Iterable[Entry]) -> list[Entry]:
    """The base model's entries."""
    return [entry for entry in group if entry["step"] is None]


def trained_entries(group: Iterable[Entry]) -> list[Entry]:
    """The checkpoints' entries."""
    return [entry for entry in group if entry["step"] is not None]


def last_common(group: Sequence[Entry], conditions: Sequence[str]) -> dict[str, Entry]:
    """Each condition at the last step that all those evaluated share; without one, each at its own last."""
    steps: dict[str, dict[int, Entry]] = {}
    for entry in trained_entries(group):
        steps.setdefault(entry["condition"], {})[entry["step"]] = entry
    present = [condition for condition in conditions if condition in steps]
    common = set.intersection(*(set(steps[name]) for name in present)) if present else set()
    return {name: steps[name][max(common or steps[name])] for name in present}


def _summary_row(group: Sequence[Entry], conditions: Sequence[str], gains: Sequence[str]) -> list[str]:
    benchmark = group[0]["benchmark"]
    primary = shown_metrics(benchmark)[0]
    base = sorted(base_entries(group), key=lambda entry: entry["num_fewshot"])
    zero = next((entry for entry in base if entry["num_fewshot"] == 0), None)
    shots = next((entry for entry in reversed(base) if entry["num_fewshot"]), None)
    last = last_common(group, conditions)
    steps = dict.fromkeys(entry["step"] for entry in last.values())
    row = [benchmark_name(benchmark), " / ".join(map(str, steps))]
    row.append(with_interval(zero["metrics"][primary]) if zero else MISSING)
    row.append(
        f"{shots['num_fewshot']}-shot: {with_interval(shots['metrics'][primary])}" if shots else MISSING
    )
    row += [with_interval(last[name]["metrics"][primary]) if name in last else MISSING for name in conditions]
    for name in gains:
        if name not in last or BASELINE not in last:
            row.append(MISSING)
            continue
        gain = last[name]["metrics"][primary]["rate"] - last[BASELINE]["metrics"][primary]["rate"]
        mark = TRUNCATED_MARK if truncation_differs(last[name], last[BASELINE]) else ""
        row.append(f"**{points(gain)}**{mark}")
    return row


def _short(condition: str, others: Sequence[str]) -> str:
    return "Distillation" if len(others) == 1 else condition_name(condition)


def _gain(condition: str, others: Sequence[str]) -> str:
    return "Distill" if len(others) == 1 else condition


def _subject(entry: Entry) -> str:
    return "base" if entry["step"] is None else subject_name(entry)
