"""The report's page."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from distill.evaluate.results import check_writable
from distill.report import tables
from distill.report.collect import Collection, collect
from distill.report.comparability import comparison_warnings, grouped, own_warnings
from distill.report.figure import accuracy_by_step
from distill.report.labels import BENCHMARK_NAMES, Entry, model_name, subject_name, table
from distill.report.paired_tables import COMPARISONS_NOTE, comparisons_table, gap_closed_table
from distill.report.pairs import RowLogs, comparisons, gap_interval, gaps_closed
from lm_eval_tasks.files import write_text

PAGE = "report.md"
FIGURE = "accuracy.png"


def write_report(paths: Sequence[Path], output: Path, title: str) -> Path:
    """Write `report.md` and `accuracy.png` into `output`; returns the page's path.

    Args:
        paths: Results files, or folders of them.
        output: A folder; made if need be.
        title: The page's heading.

    Raises:
        UserError: see `collect`; or `output` cannot be written.
    """
    check_writable(output / PAGE)
    collection = collect(paths)
    drawn = accuracy_by_step(grouped(collection.entries), output / FIGURE)
    write_text(output / PAGE, compose(collection, title, figure=FIGURE if drawn else None))
    return output / PAGE


def compose(collection: Collection, title: str, *, figure: str | None) -> str:
    """The page as Markdown."""
    groups = grouped(collection.entries)
    logs = RowLogs.of(collection.entries, collection.sources)
    parts = []
    for model in dict.fromkeys(model for model, _ in groups):
        own = {benchmark: group for (name, benchmark), group in groups.items() if name == model}
        parts += _gap_section(model, own, logs) + _checkpoint_section(model, own)
        parts += _summary_section(model, own, logs)
    if any(tables.TRUNCATED_MARK in part for part in parts):
        parts.append(tables.TRUNCATED_NOTE)
    if figure:
        parts += ["## Accuracy by step", f"![Accuracy by training step, with 95% intervals]({figure})"]
    parts += _training_section(collection)
    parts += ["## Diagnostics", tables.diagnostics_table(collection.entries)]
    parts += ["## Provenance", _provenance(collection), _software(collection.entries)]
    warnings = [*collection.warnings, *comparison_warnings(collection.entries), *logs.missing]
    warnings += own_warnings(collection.entries)
    head = [f"# {title}"]
    if warnings:
        head += ["## Warnings", "\n".join(f"- **{warning}**" for warning in warnings)]
    return "\n\n".join([*head, *parts]) + "\n"


def _gap_section(model: str, groups: dict[str, list[Entry]], logs: RowLogs) -> list[str]:
    known = partial(gap_interval, logs=logs)
    found = {name: tables.gap_table(group, known) for name, group in groups.items()}
    return _section(
        f"## Section 1 — ICL gap ({model})", {name: [text] for name, text in found.items() if text}
    )


def _checkpoint_section(model: str, groups: dict[str, list[Entry]]) -> list[str]:
    found = {}
    for name, group in groups.items():
        texts = [
            part for heading, text in tables.checkpoint_tables(group) for part in (f"#### {heading}", text)
        ]
        if texts:
            found[name] = texts
    return _section(f"## Section 3 — Checkpoint results ({model_name(model)}, 0-shot)", found)


def _summary_section(model: str, groups: dict[str, list[Entry]], logs: RowLogs) -> list[str]:
    summary = tables.summary_table(groups.values())
    if summary is None:
        return []
    parts = [f"## Section 4 — Summary: distillation gain across benchmarks ({model_name(model)})", summary]
    if text := comparisons_table(comparisons(list(groups.values()), logs)):
        parts += ["### Paired comparisons", text, COMPARISONS_NOTE]
    closed = [found for group in groups.values() for found in gaps_closed(group, logs)]
    if text := gap_closed_table(closed):
        parts += ["### ICL gap closed without demonstrations", text]
    return parts


def _training_section(collection: Collection) -> list[str]:
    parts = []
    if losses := tables.loss_table(collection.training):
        parts += ["## Training", losses]
    for benchmark in dict.fromkeys(run.benchmark for run in collection.training):
        if text := tables.divergence_table(collection.training, benchmark):
            parts += [
                f"### Divergence from the few-shot teacher, {BENCHMARK_NAMES[benchmark]}",
                "Mean KL(few-shot teacher || 0-shot student) per answer token on held-out rows, in nats.",
                text,
            ]
    return parts


def _section(heading: str, found: dict[str, list[str]]) -> list[str]:
    """A heading over the parts of each benchmark; nothing at all without any."""
    parts = [heading] if found else []
    for benchmark, texts in found.items():
        parts += [f"### {BENCHMARK_NAMES[benchmark]}", *texts]
    return parts


def _provenance(collection: Collection) -> str:
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
        row = [BENCHMARK_NAMES[entry["benchmark"]], subject_name(entry), model["fingerprint"], model["dtype"]]
        row += [request["backend"], str(data["rows"]), f"{data['source']} {data['fingerprint']}"]
        rows.append([*row, entry["prompts"]["fingerprint"], str(request["seed"]), source.name])
    return table(header, rows)


def _software(entries: Iterable[Entry]) -> str:
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
