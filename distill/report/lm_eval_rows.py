"""Rows that lm_eval logs with `--log_samples`, and the metrics with counts and intervals made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.model.fingerprints import digest_all
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_json_lines
from lm_eval_tasks.scoring.intervals import clustered_stderr, effective_n, wilson_interval

Json = dict[str, Any]

_TEXTS = ("doc", "arguments", "resps", "filtered_resps", "target")
"""What makes a log long, and no statistic needs."""


@dataclass(frozen=True, slots=True)
class Rows:
    """One task's rows in the data set's order.

    Attributes:
        by_filter: A task may read an answer by several filters; each has all rows.
    """

    by_filter: Mapping[str, Sequence[Json]]

    @property
    def any(self) -> Sequence[Json]:
        """The rows of one filter: what is asked does not depend on it."""
        return next(iter(self.by_filter.values()))

    @property
    def docs(self) -> list[str]:
        """Each row's place in the data set and the hash of its content."""
        return [f"{row['doc_id']} {row['doc_hash']}" for row in self.any]

    @property
    def span(self) -> Json:
        """Which rows of the data set these are."""
        ends = {"first": self.any[0]["doc_id"], "last": self.any[-1]["doc_id"]}
        return ends | {"fingerprint": digest_all(self.docs)}

    @property
    def prompts(self) -> str:
        """A digest of all prompts."""
        return digest_all(row["prompt_hash"] for row in self.any)

    def verdicts(self, label: str) -> list[Any]:
        """A metric's values by row, `label` as in `metrics`; rows without one are left out."""
        name, _, filter_name = label.partition(",")
        rows = self.by_filter.get(filter_name or "none", ())
        return [row[name] for row in rows if row.get(name) is not None]


def read_rows(results_file: Path, task: str, n: int) -> Rows | None:
    """The `n` rows of a task in the run that wrote `results_file`; None if they were not logged.

    Raises:
        UserError: the log is malformed, or does not hold the rows that the results count.
    """
    path = results_file.with_name(f"samples_{task}_{results_file.stem.removeprefix('results_')}.jsonl")
    if not path.is_file():
        return None
    by_filter: dict[str, list[Json]] = {}
    for where, row in read_json_lines(path):
        if missing := [name for name in ("doc_id", "doc_hash", "prompt_hash", "filter") if name not in row]:
            raise UserError(f"{where} lacks {', '.join(missing)}. Evaluate again with --log_samples.")
        by_filter.setdefault(row["filter"], []).append({k: v for k, v in row.items() if k not in _TEXTS})
    counts = {len({row["doc_id"] for row in rows}) for rows in by_filter.values()}
    if counts != {n}:
        held = " and ".join(map(str, sorted(counts))) or "no"
        raise UserError(
            f"{path} holds {held} rows, and {results_file.name} counts {n}. Evaluate again with "
            "--log_samples."
        )
    # Several processes log one after another.
    return Rows({name: sorted(rows, key=lambda row: row["doc_id"]) for name, rows in by_filter.items()})


def metrics(found: Mapping[str, Any], rows: Rows | None) -> dict[str, Json]:
    """Value, standard error and, where rows were logged, counts and 95% interval; null where unknown.

    Args:
        found: A task's entry in `results`: `name,filter` and `name_stderr,filter`.
        rows: Its rows.
    """
    summed = {}
    for key, value in found.items():
        name, comma, filter_name = key.partition(",")
        if not comma or name.endswith("_stderr"):
            continue
        label = name if filter_name == "none" else key
        summed[label] = {
            "value": _number(value),
            "stderr": _number(found.get(f"{name}_stderr,{filter_name}")),
            **_count(rows.verdicts(label) if rows else []),
        }
    return summed


def compared_metrics(benchmark: str | None, found: Mapping[str, Json], rows: Rows) -> list[str]:
    """Which metrics two models are compared in, the primary one first.

    Args:
        benchmark: One of ours, or None.
        found: The record's `metrics`.
        rows: Its rows.

    Of a task that is not ours, it is the first metric with a verdict on every row; without any, the first
    with a score from 0 to 1 on every row.
    """
    known = [name for name, metric in found.items() if metric["count"] is not None]
    if benchmark and benchmark in BENCHMARKS:
        primary, *others = BENCHMARKS[benchmark].scores
        ours = [primary.name, *[score.name for score in others if score.unit == "instruction"][:1]]
        if named := [name for name in ours if name in known]:
            return named
    n = len(rows.docs)
    verdicts = [name for name in known if found[name]["unit"] == "row" and found[name]["n"] == n]
    return (verdicts or [name for name in found if _are_scores(rows.verdicts(name), n)])[:1]


def _are_scores(values: Sequence[Any], n: int) -> bool:
    return len(values) == n and all(isinstance(value, int | float) and 0 <= value <= 1 for value in values)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


def _count(values: Sequence[Any]) -> Json:
    """How many verdicts are true, of how many known, and the interval; nulls for what is no verdict."""
    groups = [value if isinstance(value, list) else [value] for value in values]
    flat = [verdict for group in groups for verdict in group]
    # A metric made of two levels holds lists in lists.
    if not flat or any(isinstance(verdict, list) or verdict not in (True, False) for verdict in flat):
        return {"count": None, "n": None, "interval": None, "unit": None}
    clusters = [(sum(group), len(group)) for group in groups]
    count, n = int(sum(flat)), len(flat)
    independent = effective_n(count / n, clustered_stderr(clusters), len(clusters), n)
    return {
        "count": count,
        "n": n,
        "interval": list(wilson_interval(count / n, independent)),
        "unit": "instruction" if any(isinstance(value, list) for value in values) else "row",
    }
