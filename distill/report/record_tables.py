"""The tables of how results came about: responses' ends, training, provenance."""

from collections.abc import Iterable

from distill.report.collect import Collection, TrainingRun
from distill.report.entries import Entry, diagnostic, title_of, view_name
from distill.report.labels import MISSING, condition_name, percent, subject_name, table
from lm_eval_tasks.scoring.names import DIAGNOSTICS, ON_COMPLETED


def diagnostics_table(entries: Iterable[Entry]) -> str | None:
    """How responses ended, and the score on those that ended by themselves; None if nothing was generated."""
    names = {name: one.column for name, one in DIAGNOSTICS.items() if one.column}
    header = ["Dataset", "Model", "Shots", *names.values(), "Score on completed", "Mean tokens"]
    rows = []
    for entry in entries:
        shares = [diagnostic(entry, name) for name in names]
        if not any(shares):
            continue
        row = [title_of(entry), _subject(entry), str(entry["num_fewshot"])]
        row += [percent(share["rate"]) if share else MISSING for share in shares]
        tokens = diagnostic(entry, "mean_response_tokens")
        row.append(_completed(diagnostic(entry, ON_COMPLETED)))
        rows.append([*row, MISSING if tokens is None else f"{tokens:.0f}"])
    return table(header, rows) if rows else None


def loss_table(runs: Iterable[TrainingRun]) -> str | None:
    """The first and the last logged training loss of each run."""
    rows = []
    for run in runs:
        if run.losses:
            (first, begin), (last, end) = run.losses[0], run.losses[-1]
            name = [run.title, condition_name(run.condition, run.kind)]
            rows.append([*name, f"{begin:.4f} (step {first})", f"{end:.4f} (step {last})"])
    return table(["Dataset", "Condition", "First loss", "Last loss"], rows) if rows else None


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
        row = [
            title_of(entry),
            subject_name(entry),
            model["fingerprint"] or MISSING,
            model["dtype"] or MISSING,
        ]
        row += [
            request["backend"],
            str(data["rows"]),
            f"{data['source']} {data.get('fingerprint', '')}".strip(),
        ]
        row += [entry["prompts"].get("fingerprint", MISSING), str(request.get("seed", MISSING))]
        rows.append([*row, source.name])
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


def _completed(found: Entry | None) -> str:
    if not found:
        return MISSING
    told = f" ({found['count']}/{found['total']})" if found.get("count") is not None else ""
    return percent(found["rate"]) + told


def _subject(entry: Entry) -> str:
    return "base" if entry["step"] is None and view_name(entry).endswith("-shot") else subject_name(entry)
