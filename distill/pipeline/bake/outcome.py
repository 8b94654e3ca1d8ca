"""What a bake has shown: `bake.json`, and five lines for a person.

    model, task, metric      what was asked of whom, and the number that is compared
    base, prompted           the untrained model, bare and with the prompt: correct, n, score, interval
    sft, baked               fine-tuned on the labels at hand, and baked; both bare
    baked_prompted           the baked model with the prompt
    gap_closed               (baked - base) / (prompted - base): value, interval; null where nothing licenses it
    divergence               mean KL(prompted model || student) per answer token, before and after
    prompt_tokens            tokens that a request reads before its answer, on average
    members, by              the same scores for each task of a group, and by a column of the rows
    seconds                  per stage
    adapter, lm_eval_command, serve_command

Scores are fractions of 1, intervals `[low, high]` at 95%. `correct` is null where a score is no count.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.statistics.paired import gap_closed, mcnemar

Json = dict[str, Any]
Rows = Mapping[str, Mapping[str, Any]]

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """One model in one view on one task.

    Attributes:
        entry: Its entry of a results file.
        rows: By id.
    """

    entry: Json
    rows: Rows

    @property
    def metric(self) -> str:
        """The primary metric's name."""
        return next(iter(self.entry["metrics"]))

    @property
    def values(self) -> dict[str, float]:
        """The primary metric's value of each row."""
        return {id: float(row[self.metric]) for id, row in self.rows.items()}


def read_measured(results: Path) -> list[Measured]:
    """All entries of a results file with their rows; none where there is no file."""
    if not results.is_file():
        return []
    found = []
    for entry in json.loads(results.read_text(encoding="utf-8"))["results"]:
        lines = (results.parent / entry["samples"]).read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line]
        found.append(Measured(entry, {row["id"]: row for row in rows}))
    return found


def score_of(members: Sequence[Measured]) -> Json | None:
    """Correct, n, score and interval of one view, the members of a group pooled; None if it was not measured."""
    if not members:
        return None
    if len(members) == 1:
        metric = members[0].entry["metrics"][members[0].metric]
        return {
            "correct": metric["correct"],
            "n": metric["total"],
            "score": metric["rate"],
            "interval": metric["interval"],
        }
    from lm_eval_tasks.scoring.intervals import wilson_interval

    values = [value for member in members for value in member.values.values()]
    binary = all(value in (0.0, 1.0) for value in values)
    score = statistics.fmean(values)
    return {
        "correct": int(sum(values)) if binary else None,
        "n": len(values),
        "score": score,
        "interval": list(wilson_interval(score, len(values))) if binary else None,
    }


def closed(base: Sequence[Measured], prompted: Sequence[Measured], baked: Sequence[Measured]) -> Json | None:
    """The share of the gap that was closed; None where the gap itself may be chance, or rows are missing."""
    if not (base and prompted and baked):
        return None
    columns = [_column(members) for members in (base, prompted, baked)]
    if any(column.keys() != columns[0].keys() for column in columns):
        return None
    first, second, third = ([column[id] for id in columns[0]] for column in columns)
    if advantage(base, prompted) >= LEVEL or sum(second) <= sum(first):
        return None
    found = gap_closed(first, second, third)
    if found.share is None or found.interval is None:
        return None
    return {"value": found.share, "interval": list(found.interval)}


def advantage(base: Sequence[Measured], prompted: Sequence[Measured]) -> float:
    """P-value of the paired test of the prompt's gain; 1 where the rows do not match."""
    first, second = _column(base), _column(prompted)
    if first.keys() != second.keys():
        return 1.0
    better = sum(second[id] > first[id] for id in first)
    worse = sum(second[id] < first[id] for id in first)
    # Of scores that are no counts, the sign test: which of the two is higher.
    return mcnemar(worse, better)


def prompt_tokens(members: Sequence[Measured]) -> float | None:
    """Tokens of a request's prompt on average."""
    lengths = [row["prompt_tokens"] for member in members for row in member.rows.values()]
    return round(statistics.fmean(lengths), 1) if lengths else None


def by_column(members: Sequence[Measured], column: str) -> dict[str, Json]:
    """Correct, n and score of the rows of each value of a column."""
    groups: dict[str, list[float]] = {}
    for member in members:
        for row in member.rows.values():
            value = row.get("reference", {}).get(column)
            if value is not None:
                groups.setdefault(str(value), []).append(float(row[member.metric]))
    return {
        value: {
            "correct": int(sum(found)) if all(one in (0.0, 1.0) for one in found) else None,
            "n": len(found),
            "score": statistics.fmean(found),
        }
        for value, found in sorted(groups.items())
    }


def _column(members: Sequence[Measured]) -> dict[tuple[str, str], float]:
    return {
        (member.entry["benchmark"], id): value for member in members for id, value in member.values.items()
    }
