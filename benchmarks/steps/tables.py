"""Records -> rows with ratios to the unit, as Markdown."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from .jobs import UNIT, VARIANTS

Record = dict[str, Any]
_GROUP = ("model", "tuning", "batch_size")
_RATIOS = ("seconds", "cpu_seconds", "peak_gib")


def summarise(records: Sequence[Record]) -> list[Record]:
    """One row per job: medians over the repeats, and of the ratios to the unit within each repeat."""
    keys = dict.fromkeys((*(record[name] for name in _GROUP), record["variant"]) for record in records)
    return [_row(key, records) for key in keys]


def _row(key: tuple[Any, ...], records: Sequence[Record]) -> Record:
    *group, variant = key
    row: Record = {**dict(zip(_GROUP, group, strict=True)), "variant": variant}
    mine = [each for each in records if _of(each, group, variant)]
    if failed := [each["failed"] for each in mine if "failed" in each]:
        return row | {"failed": failed[0]}
    units = {each["repeat"]: each for each in records if _of(each, group, UNIT) and "failed" not in each}
    numbers = [name for name, value in mine[0].items() if isinstance(value, int | float) and name not in row]
    row |= {name: statistics.median(each[name] for each in mine) for name in numbers if name != "repeat"}
    row["tokens_per_second"] = statistics.median(each["tokens"] / each["seconds"] for each in mine)
    row["device"] = mine[0]["device"]
    paired = [(each, units[each["repeat"]]) for each in mine if each["repeat"] in units]
    for name in _RATIOS if paired else ():
        row[f"{name}_ratio"] = statistics.median(each[name] / unit[name] for each, unit in paired)
    return row


def _of(record: Record, group: Sequence[Any], variant: str) -> bool:
    return record["variant"] == variant and all(
        record[name] == value for name, value in zip(_GROUP, group, strict=True)
    )


def add_mfu(rows: Iterable[Record], peak_tflops: float | None) -> None:
    """Add the share of the card's peak to rows of shapes; none without a peak."""
    for row in rows:
        if peak_tflops and "tflop" in row:
            row["mfu"] = row["tflop"] / row["seconds"] / peak_tflops


_COLUMNS = {
    # title: (key, format)
    "s": ("seconds", ".3g"),
    "x unit": ("seconds_ratio", ".2f"),
    "x unit (cpu)": ("cpu_seconds_ratio", ".2f"),
    "tokens/s": ("tokens_per_second", ".0f"),
    "answer tokens": ("answer_tokens", ".0f"),
    "peak GiB": ("peak_gib", ".2f"),
    "before": ("before_gib", ".2f"),
    "peak x unit": ("peak_gib_ratio", ".2f"),
    "MFU": ("mfu", ".1%"),
    "kernels": ("kernels", ".0f"),
    "synchronisations": ("synchronisations", ".0f"),
}


def trainers_table(rows: Sequence[Record]) -> str:
    """A table per model and batch size, with the columns that any row has."""
    parts = []
    for group in dict.fromkeys(tuple(row[name] for name in _GROUP) for row in rows):
        members = [row for row in rows if tuple(row[name] for name in _GROUP) == group]
        model, tuning, batch_size = group
        parts.append(f"### {model}, {tuning}, {batch_size} rows a step\n\n{_table(members)}")
    return "\n\n".join(parts)


def _table(rows: Sequence[Record]) -> str:
    titles = [title for title, (key, _) in _COLUMNS.items() if any(key in row for row in rows)]
    lines = [_line(["variant", *titles]), "|---" * (1 + len(titles)) + "|"]
    for row in rows:
        if "failed" in row:
            cells = [f"not measured: {row['failed']}", *[""] * (len(titles) - 1)]
        else:
            cells = [_cell(row, *_COLUMNS[title]) for title in titles]
        lines.append(_line([VARIANTS[row["variant"]], *cells]))
    return "\n".join(lines)


def losses_table(records: Sequence[Record]) -> str:
    """The loss alone: a row per kernel and objective, a column per N and projection, frozen or trained."""
    columns = list(dict.fromkeys((record["projection"], record["tokens"]) for record in records))
    found = {
        (each["objective"], each["kernel"], each["projection"], each["tokens"]): each for each in records
    }
    lines = [_line(["objective", "kernel", *(f"{tokens} tokens, {kept}" for kept, tokens in columns)])]
    lines.append("|---" * (2 + len(columns)) + "|")
    for objective, kernel in dict.fromkeys((each["objective"], each["kernel"]) for each in records):
        cells = [_loss_cell(found[objective, kernel, *column]) for column in columns]
        lines.append(_line([objective, kernel, *cells]))
    reasons = dict.fromkeys(each["failed"] for each in records if "failed" in each)
    return "\n".join([*lines, *(f"\nNot measured: {reason}" for reason in reasons)])


def _loss_cell(record: Record) -> str:
    if "failed" in record:
        return "not measured"
    memory = f", {record['gib']:.2f} GiB" if "gib" in record else ""
    return f"{1000 * record['seconds']:.1f} ms{memory}"


def _cell(row: Record, key: str, form: str) -> str:
    return format(row[key], form) if key in row else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
