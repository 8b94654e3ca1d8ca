"""What a bake has shown: `bake.json`, and five lines for a person.

    model, task, metric      what was asked of whom, and the number that is compared
    base, prompted           the untrained model, bare and with the prompt: correct, n, score, interval
    sft, baked               fine-tuned on the labels at hand, and baked; both bare
    baked_prompted           the baked model with the prompt
    gap_closed               (baked - base) / (prompted - base): value, interval; null if nothing licenses it
    divergence               mean KL(prompted model || student) per answer token, before and after; and
                             change_interval, of after - before over the same held-out rows, null if unknown
    prompt_tokens            tokens that a request reads before its answer, on average
    retention, drift, economy  what it cost; see `distill.pipeline.bake.costs`
    members, by              the same scores for each task of a group, and by a column of the rows
    seconds                  per stage
    adapter, lm_eval_command, serve_command

Scores are fractions of 1, intervals `[low, high]` at 95%. `correct` is null where a score is no count.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.evaluation.divergence import read_divergence
from distill.evaluation.result import read_file
from distill.pipeline.bake.costs import read_outcome, told_shortly
from distill.pipeline.bake.folder import BAKED
from distill.pipeline.bake.plan import Plan
from distill.pipeline.config import RunConfig
from distill.pipeline.training import trained_dir
from distill.report.divergence_tables import change
from distill.statistics.paired import compare, gap_closed
from lm_eval_tasks.errors import UserError

Json = dict[str, Any]
Rows = Mapping[str, Mapping[str, Any]]


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
        return {id: float(row[self.metric]) for id, row in self.rows.items() if self.metric in row}


def read_measured(results: Path) -> list[Measured]:
    """All entries of a results file with their rows; none where there is no file."""
    found = read_file(results) if results.is_file() else []
    return [Measured(one.entry, one.rows or {}) for one in found]


def score_of(members: Sequence[Measured]) -> Json | None:
    """Correct, n, score and interval of one view, a group's members pooled; None if not measured."""
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

    found = _pooled(members)
    binary = found["correct"] is not None
    return found | {"interval": list(wilson_interval(found["score"], found["n"])) if binary else None}


def _pooled(members: Sequence[Measured]) -> Json:
    """Correct, n and score of all rows together."""
    values = list(_column(members).values())
    binary = all(value in (0.0, 1.0) for value in values)
    return {
        "correct": int(sum(values)) if binary else None,
        "n": len(values),
        "score": statistics.fmean(values),
    }


def closed(base: Sequence[Measured], prompted: Sequence[Measured], baked: Sequence[Measured]) -> Json | None:
    """The share of the gap that was closed; None where the gap itself may be chance, or rows are missing."""
    if not (base and prompted and baked):
        return None
    columns = [_column(members) for members in (base, prompted, baked)]
    if not columns[0] or any(column.keys() != columns[0].keys() for column in columns):
        return None
    first, second, third = ([column[id] for id in columns[0]] for column in columns)
    found = gap_closed(first, second, third)
    if found.share is None:
        return None
    return {"value": found.share, "interval": found.interval and list(found.interval)}


def advantage(base: Sequence[Measured], prompted: Sequence[Measured]) -> float:
    """P-value of the paired test of the prompt's gain; 1 where the rows do not match."""
    first, second = _column(base), _column(prompted)
    if not first or first.keys() != second.keys():
        return 1.0
    return compare(list(first.values()), [second[id] for id in first]).p


def prompt_tokens(members: Sequence[Measured]) -> float | None:
    """Tokens of a request's prompt on average."""
    lengths = [row["prompt_tokens"] for member in members for row in member.rows.values()]
    return round(statistics.fmean(lengths), 1) if lengths else None


def build_outcome(plan: Plan, config: RunConfig, folder: Path, *, seconds: Mapping[str, float]) -> Json:
    """The contents of `bake.json`, but for what is delivered; `checkpoint` is the baked one's folder."""
    gap = read_measured(folder / plan.name / "gap.json")
    trained = read_measured(folder / plan.name / "results.json")
    base, prompted = view_of(gap, "bare"), view_of(gap, "prompted")
    baked = view_of(_of(trained, BAKED), "bare")
    if not baked:
        raise UserError(f"{folder}: the baked model was not evaluated; its problem stands above.")
    sft = _best_sft(trained)
    metric = baked[0].metric
    outcome: Json = {
        "model": plan.request.model,
        "task": plan.request.task or plan.request.evaluation,
        "metric": metric,
        "base": score_of(base),
        "prompted": score_of(prompted),
        "sft": score_of(sft) and {**(score_of(sft) or {}), "condition": sft[0].entry["condition"]},
        "baked": score_of(baked),
        "baked_prompted": score_of(view_of(_of(trained, BAKED), "prompted")),
        "gap_closed": closed(base, prompted, baked),
        "divergence": _divergence(trained_dir(config, plan.name, folder) / BAKED, baked[0].entry["step"]),
        "prompt_tokens": {"prompted": prompt_tokens(prompted), "baked": prompt_tokens(baked)},
        "members": _members(base, prompted, sft, baked),
        "seconds": dict(seconds),
        "checkpoint": folder / plan.name / baked[0].entry["model"]["checkpoint"],
    }
    outcome |= read_outcome(
        folder / plan.name, {"baked": BAKED, "sft": sft[0].entry["condition"] if sft else None}
    )
    if plan.request.by:
        views = {"base": base, "prompted": prompted, "sft": sft, "baked": baked}
        outcome["by"] = {
            "column": plan.request.by,
            "values": _by(plan.request.by, views),
        }
    return outcome


def five_lines(outcome: Mapping[str, Any]) -> str:
    """What a person wants to know first."""
    names = {"base": "bare", "prompted": "with the prompt", "sft": "fine-tuned", "baked": "baked"}
    scores = [f"{label} {_told(outcome[name])}" for name, label in names.items() if outcome[name]]
    gap = outcome["gap_closed"]
    if outcome["prompted"] is None:
        closed_line = "Gap closed: not said; no evaluated row has a prompt of its own to be measured with"
    elif gap is None:
        closed_line = "Gap closed: not said; the gain of the prompt itself may be chance"
    else:
        ends = ", ".join(f"{end:.0%}" for end in gap["interval"] or ())
        bounds = f"[{ends}] (95% interval, paired rows)" if ends else "(too few rows differ for an interval)"
        closed_line = f"Gap closed: {gap['value']:.0%} {bounds}"
    tokens = outcome["prompt_tokens"]
    before = tokens["prompted"] if tokens["prompted"] is not None else "?"
    cost = f"; {said}" if (said := told_shortly(outcome)) else ""
    return "\n".join(
        [
            f"Scores ({outcome['metric']}): {', '.join(scores)}",
            closed_line,
            f"Prompt tokens per request: {before} before, {tokens['baked']} after{cost}",
            f"Adapter: {outcome['adapter']}   Report: {outcome['report']}",
            f"Serve: {outcome['serve_command']}",
        ]
    )


def _told(score: Mapping[str, Any]) -> str:
    if score["correct"] is None:
        return f"{score['score']:.1%} of {score['n']}"
    return f"{score['correct']} of {score['n']} ({score['score']:.1%})"


def view_of(measured: Sequence[Measured], view: str) -> list[Measured]:
    """The entries of one view."""
    return [one for one in measured if one.entry["view"] == view]


def _of(measured: Sequence[Measured], condition: str) -> list[Measured]:
    return [one for one in measured if one.entry["condition"] == condition]


def _best_sft(trained: Sequence[Measured]) -> list[Measured]:
    """The fine-tuned condition with the highest score, so that the baseline is a fair one."""
    tries = dict.fromkeys(one.entry["condition"] for one in trained if one.entry["condition"] != BAKED)
    found = [view_of(_of(trained, condition), "bare") for condition in tries]
    return max(found, key=lambda members: (score_of(members) or {"score": -1.0})["score"], default=[])


def _divergence(trained: Path, step: int) -> Json | None:
    """Held-out KL(prompted || student) per answer token before training and at the evaluated step."""
    measured = read_divergence(trained)
    if not measured.means:
        return None
    before, after = (measured.means.get(at) for at in (0, step))
    known = before is not None and after is not None
    interval = change(measured, 0, measured, step).interval if known else None
    return {"before": before, "after": after, "change_interval": interval and list(interval)}


def _members(*views: Sequence[Measured]) -> Json | None:
    """The scores of each task of a group; None for a single task."""
    names = ("base", "prompted", "sft", "baked")
    tasks = list(dict.fromkeys(one.entry["benchmark"] for one in views[0]))
    if len(tasks) < 2:
        return None
    return {
        task: {
            name: score_of([one for one in view if one.entry["benchmark"] == task])
            for name, view in zip(names, views, strict=True)
        }
        for task in tasks
    }


def _by(column: str, views: Mapping[str, Sequence[Measured]]) -> Json:
    """Scores and gap closed of the rows of each value."""
    values = {_value(row, column) for member in views["baked"] for row in member.rows.values()} - {None}
    found: Json = {}
    for value in sorted(map(str, values)):
        parts = {
            name: [_only(member, column, value) for member in members] for name, members in views.items()
        }
        found[value] = {
            name: _pooled(part) if any(one.rows for one in part) else None for name, part in parts.items()
        }
        found[value]["gap_closed"] = closed(parts["base"], parts["prompted"], parts["baked"])
    return found


def _value(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get("reference", {}).get(column)
    return None if value is None else str(value)


def _only(member: Measured, column: str, value: str) -> Measured:
    return Measured(
        member.entry, {id: row for id, row in member.rows.items() if _value(row, column) == value}
    )


def _column(members: Sequence[Measured]) -> dict[tuple[str, str], float]:
    return {
        (member.entry["benchmark"], id): value for member in members for id, value in member.values.items()
    }
