"""Rows -> counts, rates, intervals and diagnostics; and what they say in a line."""

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distill.evaluation.results import view_of
from distill.evaluation.scores import DIAGNOSTICS, primary_metric
from lm_eval_tasks.scoring.intervals import clustered_stderr, effective_n, wilson_interval

if TYPE_CHECKING:  # it brings lm-eval, which a report does without
    from lm_eval_tasks.harness.measured import Scored

Row = dict[str, Any]

TRUNCATED_LIMIT = 0.05
"""Above this share of truncated responses, a score says little about the model."""


def summarise(
    scored: Sequence["Scored"], rows: Sequence[Row], totals: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Counts, rate, 95% interval and standard error of each metric.

    Verdicts on instructions are pooled; those of one prompt depend on each other, so their standard error is
    clustered by prompt, and their interval is Wilson's for the number of independent verdicts that would
    give it. A mean of numbers has a normal interval, and no count of right rows.

    Args:
        scored: The metrics, the primary one first.
        rows: All rows.
        totals: The harness's own aggregates, for what is no number of a row.
    """
    metrics = {}
    for score in scored:
        if score.unit == "total":
            metrics[score.name] = _total(score, totals, len(rows))
        elif score.unit == "score":
            metrics[score.name] = _mean([float(row[score.name]) for row in rows])
        else:
            found = [row[score.name] for row in rows]
            verdicts = [[bool(one)] if score.unit == "row" else list(one) for one in found]
            metrics[score.name] = _metric(verdicts, unit=score.unit)
    return metrics


def diagnose(scored: Sequence["Scored"], rows: Sequence[Row]) -> dict[str, Any]:
    """Counts of what may make a score misleading, and the score on the responses that ended by themselves."""
    names = [name for name in DIAGNOSTICS if name in rows[0]]
    found: dict[str, Any] = {name: _share(sum(bool(row[name]) for row in rows), len(rows)) for name in names}
    if rows[0]["truncated"] is None:  # nothing was generated
        return found
    found = {"truncated": _share(sum(bool(row["truncated"]) for row in rows), len(rows))} | found
    primary = scored[0]
    completed = [row for row in rows if not row["truncated"]]
    if primary.unit == "row":
        correct = sum(bool(row[primary.name]) for row in completed)
        found["on_completed"] = {"metric": primary.name, **_share(correct, len(completed))}
    found["mean_response_tokens"] = round(statistics.fmean(row["response_tokens"] for row in rows), 1)
    return found


def headline(entry: Mapping[str, Any]) -> str:
    """The primary metric in one line, with counts."""
    name = primary_metric(entry)
    metric = entry["metrics"][name]
    prompted = view_of(entry) == "prompted" and not entry["num_fewshot"]
    way = "with the prompt" if prompted else f"{entry['num_fewshot']}-shot"
    counts = (
        f"{metric['total']} rows" if metric["correct"] is None else f"{metric['correct']}/{metric['total']}"
    )
    bounds = metric["interval"]
    interval = f", 95% interval {bounds[0]:.1%} to {bounds[1]:.1%}" if bounds else ""
    score = f"{name} {metric['rate']:.2%} ({counts}){interval}"
    for rate in ("truncated", "looping"):
        if entry["diagnostics"].get(rate):
            score += f", {rate} {entry['diagnostics'][rate]['rate']:.1%}"
    return f"{entry['benchmark']} {way}: {score}, {entry['seconds']:.0f} s"


def warnings_of(entry: Mapping[str, Any]) -> list[str]:
    """What makes the entry's score doubtful by itself."""
    found = []
    diagnostics = entry["diagnostics"]
    truncated = diagnostics.get("truncated")
    if truncated and truncated["rate"] > TRUNCATED_LIMIT:
        limit = entry["generation"]["max_gen_toks"]
        completed = diagnostics.get("on_completed", {"rate": None})
        rate = "none ended" if completed["rate"] is None else f"{completed['rate']:.2%} on the others"
        found.append(
            f"{truncated['count']} of {truncated['total']} responses were cut at {limit} tokens ({rate}): "
            "raise --max_new_tokens, or see in the samples why they do not end"
        )
    unclosed = diagnostics.get("unclosed_think", {"count": 0})
    if unclosed["count"]:
        found.append(
            f"{unclosed['count']} of {unclosed['total']} responses never closed <think> and count as empty"
        )
    return found


def _share(count: int, total: int) -> dict[str, Any]:
    return {"count": count, "total": total, "rate": count / total if total else None}


def _total(score: "Scored", totals: Mapping[str, Any], n: int) -> dict[str, Any]:
    """What the harness made of a metric whose values are no numbers."""
    key = f"{score.metric},{score.filter or 'none'}"
    stderr = totals.get(f"{score.metric}_stderr,{score.filter or 'none'}")
    return {
        "correct": None,
        "total": n,
        "rate": float(totals[key]),
        "interval": None,
        "stderr": stderr if isinstance(stderr, float) else None,
        "unit": "total",
    }


def _mean(values: Sequence[float]) -> dict[str, Any]:
    rate = statistics.fmean(values)
    stderr = clustered_stderr([(value, 1) for value in values])
    half = None if stderr is None else 1.959964 * stderr
    return {
        "correct": None,
        "total": len(values),
        "rate": rate,
        "interval": None if half is None else [rate - half, rate + half],
        "stderr": stderr,
        "unit": "score",
    }


def _metric(verdicts: Sequence[Sequence[bool]], *, unit: str) -> dict[str, Any]:
    """One metric; `verdicts` holds a row's own, so that rows are the clusters."""
    clusters = [(sum(row), len(row)) for row in verdicts]
    correct, total = sum(right for right, _ in clusters), sum(n for _, n in clusters)
    rate = correct / total
    stderr = clustered_stderr(clusters)
    independent = effective_n(rate, stderr, len(clusters), total) if unit == "instruction" else total
    return {
        "correct": correct,
        "total": total,
        "rate": rate,
        "interval": list(wilson_interval(rate, independent)),
        "stderr": stderr,
        "unit": unit,
    }
