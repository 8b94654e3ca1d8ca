"""Rows -> counts, rates, intervals and diagnostics; and what they say in a line."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from distill.evaluation.scores import DIAGNOSTICS, SCORES
from lm_eval_tasks.scoring.statistics import clustered_stderr, effective_n, wilson_interval

Row = dict[str, Any]

TRUNCATED_LIMIT = 0.05
"""Above this share of truncated responses, a score says little about the model."""


def summarise(benchmark: str, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Counts, rate, 95% interval and standard error of each metric.

    Verdicts on instructions are pooled; those of one prompt depend on each other, so their standard error is
    clustered by prompt, and their interval is Wilson's for the number of independent verdicts that would
    give it.
    """
    scores = SCORES[benchmark]
    metrics = {}
    for name in scores.per_row:
        verdicts = [[bool(row[name])] for row in rows]
        metrics[name] = _metric(verdicts, unit="row")
    for name in scores.per_instruction:
        metrics[name] = _metric([list(row[name]) for row in rows], unit="instruction")
    return metrics


def diagnose(benchmark: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Counts of what may make a score misleading, and the score on the responses that ended by themselves."""
    names = [name for name in DIAGNOSTICS if name in rows[0]]
    found: dict[str, Any] = {
        name: _share(sum(bool(row[name]) for row in rows), len(rows)) for name in ("truncated", *names)
    }
    primary = SCORES[benchmark].primary
    completed = [row for row in rows if not row["truncated"]]
    correct = sum(bool(row[primary]) for row in completed)
    found["on_completed"] = {"metric": primary, **_share(correct, len(completed))}
    found["mean_response_tokens"] = round(statistics.fmean(row["response_tokens"] for row in rows), 1)
    return found


def headline(entry: Mapping[str, Any]) -> str:
    """The primary metric in one line, with counts."""
    name = SCORES[entry["benchmark"]].primary
    metric = entry["metrics"][name]
    low, high = metric["interval"]
    return (
        f"{entry['benchmark']} {entry['num_fewshot']}-shot: {name} {metric['rate']:.2%} "
        f"({metric['correct']}/{metric['total']}), 95% interval {low:.1%} to {high:.1%}, "
        f"{entry['seconds']:.0f} s"
    )


def warnings_of(entry: Mapping[str, Any]) -> list[str]:
    """What makes the entry's score doubtful by itself."""
    found = []
    diagnostics = entry["diagnostics"]
    truncated = diagnostics["truncated"]
    if truncated["rate"] > TRUNCATED_LIMIT:
        limit = entry["generation"]["max_gen_toks"]
        completed = diagnostics["on_completed"]
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
