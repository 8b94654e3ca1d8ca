"""The report's sections, and the Markdown page made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from distill.report import record_tables, tables
from distill.report.collect import Collection
from distill.report.comparability import comparison_warnings, grouped, own_warnings
from distill.report.contamination import overlap_parts
from distill.report.cost_tables import cost_parts
from distill.report.costs import Cost, read_costs
from distill.report.divergence_tables import divergence_tables
from distill.report.entries import (
    Entry,
    bare_and_prompted,
    conditions_of,
    last_common,
    title_of,
    trained_entries,
)
from distill.report.figure import Drawing
from distill.report.figure_lengths import response_lengths
from distill.report.figure_scores import accuracy_by_step, gains
from distill.report.figure_training import divergences, losses
from distill.report.labels import condition_name, model_name
from distill.report.paired import (
    Comparison,
    RowLogs,
    compare_entries,
    comparisons,
    gaps_closed,
)
from distill.report.paired_tables import comparisons_note, comparisons_table, gap_closed_table
from distill.report.published_tables import reported_tables
from distill.report.seed_groups import Seeds
from distill.report.seeds import seed_parts
from distill.report.teachers import Teachers
from distill.report.token_tables import token_parts

Groups = dict[str, list[Entry]]
"""Of one model, by benchmark."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report under one heading.

    Attributes:
        heading: Its heading.
        parts: Paragraphs, tables and smaller headings, as Markdown.
        drawings: Its figures.
        number: Of the section of the recipe's documents that it reproduces; Markdown says it. 0: of none.
    """

    heading: str
    parts: Sequence[str] = ()
    drawings: Sequence[Drawing] = ()
    number: int = 0


@dataclass
class Report:
    """What every form of the report says.

    Attributes:
        title: Of the page.
        collection: The results.
        run_dirs: Folders of runs, which may hold published scores (`run.yaml`) and `overlap.json`.
        logs: The results' rows.
        teachers: What the students' teachers read.
    """

    title: str
    collection: Collection
    run_dirs: Sequence[Path] = ()
    logs: RowLogs = field(init=False)
    teachers: Teachers = field(init=False)

    def __post_init__(self) -> None:
        """Rows are read when they are asked for."""
        self.logs = RowLogs.of(self.collection.found)
        self.teachers = Teachers(self.collection.found)

    @cached_property
    def models(self) -> dict[str, Groups]:
        """Entries by model and benchmark."""
        found: dict[str, Groups] = {}
        for (model, benchmark), group in grouped(self.collection.entries).items():
            found.setdefault(model, {})[benchmark] = group
        return found

    @cached_property
    def compared(self) -> dict[str, list[Comparison]]:
        """Paired comparisons by model."""
        return {model: comparisons(list(groups.values()), self.logs) for model, groups in self.models.items()}

    @cached_property
    def costs(self) -> dict[Path, list[Cost]]:
        """What students cost, by the folder of their job's results."""
        folders = dict.fromkeys(one.source.parent for one in self.collection.found if one.checkpoint)
        return {folder: found for folder in folders if (found := read_costs(folder))}

    def costs_of(self, entry: Entry) -> list[Cost]:
        """What the student of an entry cost; nothing where that was not measured."""
        found = self.costs.get(self.logs.results[id(entry)].source.parent, [])
        return [cost for cost in found if (cost.condition, cost.step) == (entry["condition"], entry["step"])]

    @cached_property
    def seeds(self) -> Seeds:
        """What was trained with several seeds."""
        return Seeds(self.collection, self.logs, self.teachers)

    @cached_property
    def sections(self) -> list[Section]:
        """All sections in order."""
        found = []
        for model, groups in self.models.items():
            found += _gap_section(model, groups, self.logs) + _checkpoint_section(model, groups)
            found += _summary_section(model, groups, self.compared[model], self)
        return [
            *_seed_section(self.seeds),
            *found,
            *_cost_section(self),
            *_reported_section(self),
            *_figure_section(self),
            *_training_section(self.collection),
            *_overlap_section(self),
            *_diagnostics_section(self.collection),
            Section(
                "Provenance",
                [
                    record_tables.provenance_table(self.collection),
                    record_tables.software(self.collection.entries),
                ],
            ),
        ]

    @cached_property
    def errors(self) -> list[str]:
        """What forbids to say something that the report is for; see `Teachers`."""
        _ = self.sections  # saying it is what finds them
        return self.teachers.errors

    @cached_property
    def warnings_by_cause(self) -> dict[str, list[str]]:
        """What makes scores doubtful, what forbids comparing first."""
        entries = self.collection.entries
        _ = self.sections  # reading rows is what finds missing logs
        found = {
            "results that are there twice": self.collection.warnings,
            "scores that do not compare": comparison_warnings(entries),
            "seeds that are not pooled": self.seeds.warnings,
            "rows that are gone": self.logs.missing,
            "answers that were cut or never ended": own_warnings(entries),
        }
        return {cause: told for cause, told in found.items() if told}

    @property
    def warnings(self) -> list[str]:
        """The same as one list."""
        return [warning for told in self.warnings_by_cause.values() for warning in told]

    def side_by_side(self, group: Sequence[Entry]) -> list[Entry]:
        """Of one model and benchmark: the base model with and without the prompt, and the students."""
        base = [entry for entry in bare_and_prompted(group) if entry]
        return base + list(last_common(group, conditions_of(trained_entries(group))).values())


def compose(report: Report) -> str:
    """The page as Markdown; it shows figures out of its own folder."""
    parts = [f"# {report.title}"]
    if report.errors:
        parts += ["## Errors", "\n".join(f"- **{error}**" for error in report.errors)]
    if report.warnings:
        parts += ["## Warnings", "\n".join(f"- **{warning}**" for warning in report.warnings)]
    for section in report.sections:
        number = f"Section {section.number} — " if section.number else ""
        parts += [f"## {number}{section.heading}", *section.parts]
        for drawing in section.drawings:
            parts += [f"### {drawing.title}", f"![{drawing.title}]({drawing.name}.png)", drawing.caption]
    return "\n\n".join(parts) + "\n"


def _seed_section(seeds: Seeds) -> list[Section]:
    parts = seed_parts(seeds)
    return [Section("Over seeds", parts)] if parts else []


def _gap_section(model: str, groups: Groups, logs: RowLogs) -> list[Section]:
    compare = partial(compare_entries, logs=logs)
    found = {name: tables.gap_table(group, compare) for name, group in groups.items()}
    texts = {title_of(groups[name][0]): [text] for name, text in found.items() if text}
    return _section(f"ICL gap ({model_name(model)})", texts, number=1)


def _checkpoint_section(model: str, groups: Groups) -> list[Section]:
    found = {}
    for group in groups.values():
        texts = [
            part for heading, text in tables.checkpoint_tables(group) for part in (f"#### {heading}", text)
        ]
        if texts:
            found[title_of(group[0])] = texts
    return _section(f"Checkpoint results ({model_name(model)}, 0-shot)", found, number=3)


def _summary_section(
    model: str, groups: Groups, compared: Sequence[Comparison], report: Report
) -> list[Section]:
    logs = report.logs
    summary = tables.summary_table(groups.values(), partial(compare_entries, logs=logs))
    if summary is None:
        return []
    parts = [summary]
    if text := comparisons_table(compared):
        parts += ["### Paired comparisons", text, comparisons_note(compared)]
    closed = [found for group in groups.values() for found in gaps_closed(group, logs, report.teachers)]
    if text := gap_closed_table(closed):
        parts += ["### ICL gap closed without demonstrations", text]
    heading = f"Summary: distillation gain across benchmarks ({model_name(model)})"
    return _flagged(Section(heading, parts, number=4))


def _cost_section(report: Report) -> list[Section]:
    """Of each job; one file may hold several."""
    parts = []
    for folder, costs in report.costs.items():
        own = [one.entry for one in report.collection.found if one.source.parent == folder]
        parts += [f"### {', '.join(dict.fromkeys(map(title_of, own)))}", *cost_parts(costs)]
    return [Section("Retention, drift and economy", parts)] if parts else []


def _reported_section(report: Report) -> list[Section]:
    parts = reported_tables(report.run_dirs, report.collection)
    return [Section("Reported next to reproduced", parts)] if parts else []


def _overlap_section(report: Report) -> list[Section]:
    parts = overlap_parts(report.run_dirs)
    return [Section("Overlap of training and evaluation", parts)] if parts else []


def _diagnostics_section(collection: Collection) -> list[Section]:
    text = record_tables.diagnostics_table(collection.entries)
    return [Section("Diagnostics", [text])] if text else []


def _figure_section(report: Report) -> list[Section]:
    groups = grouped(report.collection.entries)
    several = len(report.models) > 1
    shown = {
        title_of(group[0]) + (f", {model_name(model)}" if several else ""): report.side_by_side(group)
        for (model, _), group in groups.items()
    }
    compared = [line for lines in report.compared.values() for line in lines]
    drawn = [accuracy_by_step(groups), gains(compared), response_lengths(shown, report.logs)]
    found = [drawing for drawing in drawn if drawing]
    return [Section("Figures", drawings=found)] if found else []


def _training_section(collection: Collection) -> list[Section]:
    parts = []
    if text := record_tables.loss_table(collection.training):
        parts += [text]
    for benchmark in dict.fromkeys(run.benchmark for run in collection.training):
        if texts := divergence_tables(collection.training, benchmark):
            run = next(run for run in collection.training if run.benchmark == benchmark)
            parts += [
                f"### Divergence from the {run.teacher} teacher, {run.title}",
                f"Mean KL({run.teacher} teacher || 0-shot student) per answer token on held-out rows, in "
                "nats.",
                *texts,
            ]
    for run in collection.training:
        if run.tokens is not None:
            name = condition_name(run.condition, run.kind)
            parts += [f"### Where the prompt helps, {run.title}, {name}", *token_parts(run.tokens)]
    drawn = [
        drawing for drawing in (losses(collection.training), divergences(collection.training)) if drawing
    ]
    return [Section("Training", parts, drawn)] if parts else []


def _section(heading: str, found: dict[str, list[str]], *, number: int) -> list[Section]:
    """The parts of each task under its title; nothing at all without any."""
    parts = []
    for title, texts in found.items():
        parts += [f"### {title}", *texts]
    return _flagged(Section(heading, parts, number=number)) if parts else []


def _flagged(section: Section) -> list[Section]:
    """The section, with a note if a table of its carries the mark."""
    marked = any(tables.TRUNCATED_MARK in part for part in section.parts)
    return [replace(section, parts=[*section.parts, tables.TRUNCATED_NOTE]) if marked else section]
