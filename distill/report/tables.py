"""The tables of a report, each from entries to Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from distill.evaluation.kinds import DISTILLED
from distill.evaluation.results import view_name
from distill.report.entries import (
    Entry,
    bare_and_prompted,
    base_entries,
    baseline_of,
    conditions_of,
    is_bare,
    last_common,
    metric_column,
    metric_heading,
    primary,
    shown_metrics,
    title_of,
    trained_entries,
    trained_with_prompt,
    truncation_differs,
)
from distill.report.labels import (
    MINUS,
    MISSING,
    condition_name,
    counted,
    interval,
    points,
    table,
    with_interval,
)
from distill.statistics.paired import Paired

Compare = Callable[[Entry, Entry, str], Paired | None]
"""Of (first entry, second entry, metric): both on the same rows; None where those are not known."""

TRUNCATED_MARK = " (!)"
TRUNCATED_NOTE = (
    "(!) The two truncated rates differ by more than 5 points: this difference may only say which model ends "
    "its responses. See the diagnostics."
)


def gap_table(group: Sequence[Entry], compare: Compare) -> str | None:
    """Section 1 for one model and benchmark: the base model by number of demonstrations."""
    base = base_entries(group)
    if not base:
        return None
    names = shown_metrics(base[0])
    header = ["Condition"]
    for name in names:
        header += [metric_column(base[0], name), "95% interval"]
    rows = []
    for entry in base:
        cells = [view_name(entry)]
        for name in names:
            metric = entry["metrics"].get(name)
            cells += [counted(metric), interval(metric["interval"] if metric else None)]
        rows.append(cells)
    for entry in base[1:] if is_bare(base[0]) else []:
        label = f"ICL gap ({view_name(entry)})" if len(base) > 2 else "ICL gap"
        cells = [part for name in names for part in _difference(base[0], entry, name, compare)]
        rows.append([label, *cells])
    return table(header, rows)


def checkpoint_tables(group: Sequence[Entry]) -> list[tuple[str, str]]:
    """Section 3 for one model and benchmark: heading and table of each shown metric, steps by conditions."""
    trained = trained_entries(group)
    conditions = conditions_of(trained)
    at = {(entry["condition"], entry["step"]): entry for entry in trained}
    found = []
    for name in shown_metrics(trained[0]) if trained else []:
        rows = []
        for step in sorted({entry["step"] for entry in trained}):
            entries = [at.get((condition, step)) for condition in conditions]
            cells = [with_interval(entry["metrics"].get(name)) if entry else MISSING for entry in entries]
            rows.append([str(step), *cells])
        header = ["Step", *(condition_name(*condition) for condition in conditions.items())]
        found.append((metric_heading(trained[0], name), table(header, rows)))
    if again := with_prompt_table(group):
        found.append(("With the prompt again", again))
    return found


def with_prompt_table(group: Sequence[Entry]) -> str | None:
    """Checkpoints that were asked in the prompted view as well, beside their own bare view and the base's."""
    prompted = trained_with_prompt(group)
    if not prompted:
        return None
    bare = {(entry["condition"], entry["step"]): entry for entry in trained_entries(group)}
    bases = [entry for entry in base_entries(group) if not is_bare(entry)]
    name = shown_metrics(prompted[0])[0]
    rows = []
    for entry in prompted:
        own = bare.get((entry["condition"], entry["step"]))
        base = next((one for one in bases if one["num_fewshot"] == entry["num_fewshot"]), None)
        scores = [with_interval(one["metrics"].get(name)) if one else MISSING for one in (entry, own, base)]
        rows.append([f"{entry['condition']} step {entry['step']}", view_name(entry), *scores])
    column = metric_column(prompted[0], name)
    return table(
        ["Model", "Prompt", column, f"{column}, 0-shot", f"{column}, base model with the same prompt"], rows
    )


def summary_table(groups: Iterable[Sequence[Entry]], compare: Compare) -> str | None:
    """Section 4: for each benchmark the base model, the conditions at their last common step, and gains."""
    groups = [group for group in groups if trained_entries(group)]
    if not groups:
        return None
    kinds = conditions_of(entry for group in groups for entry in trained_entries(group))
    baseline = baseline_of(kinds)
    others = {name: kind for name, kind in kinds.items() if name != baseline}
    names = ["SFT baseline" if name == baseline else _short(name, others) for name in kinds]
    gains = list(others) if baseline else []
    shots = [prompted for group in groups if (prompted := bare_and_prompted(group)[1])]
    header = ["Dataset", "Step", "0-shot"]
    header += ["k-shot" if all(entry["num_fewshot"] for entry in shots) else "With the prompt", *names]
    header += [f"Gain ({_gain(name, others)}{MINUS}SFT)" for name in gains]
    return table(header, [_summary_row(group, list(kinds), gains, baseline, compare) for group in groups])


def _summary_row(
    group: Sequence[Entry],
    conditions: Sequence[str],
    gains: Sequence[str],
    baseline: str | None,
    compare: Compare,
) -> list[str]:
    bare, prompted = bare_and_prompted(group)
    last = last_common(group, conditions)
    steps = dict.fromkeys(entry["step"] for entry in last.values())
    row = [title_of(group[0]), " / ".join(map(str, steps)), with_interval(primary(bare) if bare else None)]
    row.append(f"{view_name(prompted)}: {with_interval(primary(prompted))}" if prompted else MISSING)
    row += [with_interval(primary(last[name]) if name in last else None) for name in conditions]
    rival = last.get(baseline) if baseline else None
    for name in gains:
        if name not in last or rival is None:
            row.append(MISSING)
            continue
        gain, bounds = _difference(rival, last[name], shown_metrics(rival)[0], compare)
        row.append(gain if bounds == MISSING else f"{gain} {bounds}")
    return row


def _difference(first: Entry, second: Entry, name: str, compare: Compare) -> tuple[str, str]:
    """Second minus first, bold where the rows show it, and its interval."""
    rates = [entry["metrics"].get(name, {}).get("rate") for entry in (first, second)]
    if None in rates:
        return MISSING, MISSING
    found = compare(first, second, name)
    text = points(rates[1] - rates[0])
    mark = TRUNCATED_MARK if truncation_differs(first, second) else ""
    return (f"**{text}**" if found and found.shown else text) + mark, interval(
        found.interval if found else None
    )


def _short(condition: str, others: Mapping[str, str]) -> str:
    alone = len(others) == 1 and others[condition] == DISTILLED
    return "Distillation" if alone else condition_name(condition, others[condition])


def _gain(condition: str, others: Mapping[str, str]) -> str:
    return "Distill" if len(others) == 1 and others[condition] == DISTILLED else condition
