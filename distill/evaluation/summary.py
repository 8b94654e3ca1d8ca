"""Rows -> counts, rates, intervals and diagnostics; and what they say in a line."""

import statistics
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from distill.evaluation.results import view_of
from lm_eval_tasks.scoring.intervals import clustered_stderr, effective_n, wilson_interval
from lm_eval_tasks.scoring.metrics import share
from lm_eval_tasks.scoring.names import DIAGNOSTICS, ON_COMPLETED

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
            key = f"{score.metric}{{}},{score.filter or 'none'}"
            metrics[score.name] = total(totals[key.format("")], totals.get(key.format("_stderr")), len(rows))
        else:
            metrics[score.name] = metric_of([row[score.name] for row in rows], score.unit)
    return metrics


def unit_of(values: Sequence[Any]) -> str:
    """What a metric's values by row are: verdicts on rows, on `instruction`s, scores, or no numbers."""
    pooled = bool(values) and all(isinstance(value, list) for value in values)
    flat = [one for value in values for one in value] if pooled else list(values)
    if not flat or not all(isinstance(one, int | float) for one in flat):
        return "total"
    binary = all(one in (0, 1) for one in flat)
    return ("instruction" if binary else "total") if pooled else "row" if binary else "score"


def metric_of(values: Sequence[Any], unit: str) -> dict[str, Any]:
    """Count, rate, interval and standard error of a metric's values by row; see `summarise`."""
    if unit == "score":
        return _mean([float(value) for value in values])
    return _metric([list(value) if unit == "instruction" else [bool(value)] for value in values], unit=unit)


def total(value: Any, stderr: Any, n: int) -> dict[str, Any]:
    """A metric over `n` rows of which the harness's aggregate alone is known."""
    return {
        "correct": None,
        "total": n,
        "rate": number(value),
        "interval": None,
        "stderr": number(stderr),
        "unit": "total",
    }


def number(value: Any) -> float | None:
    """A number; None of what the harness writes in the place of one."""
    return float(value) if isinstance(value, Real) and value == value else None


def diagnose(scored: Sequence["Scored"], rows: Sequence[Row]) -> dict[str, Any]:
    """Counts of what may make a score misleading, and the score on the responses that ended by themselves."""
    names = [name for name in DIAGNOSTICS if rows[0].get(name) is not None]
    found: dict[str, Any] = {name: share(sum(bool(row[name]) for row in rows), len(rows)) for name in names}
    if rows[0]["truncated"] is None:  # nothing was generated
        return found
    primary = scored[0]
    completed = [row for row in rows if not row["truncated"]]
    if primary.unit == "row":
        correct = sum(bool(row[primary.name]) for row in completed)
        found[ON_COMPLETED] = {"metric": primary.name, **share(correct, len(completed))}
    found["mean_response_tokens"] = round(statistics.fmean(row["response_tokens"] for row in rows), 1)
    return found


def primary_metric(entry: Mapping[str, Any]) -> str:
    """The metric that tables show first."""
    return str(next(iter(entry["metrics"])))


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
    for rate in ("truncated", "response_looping"):
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
        completed = diagnostics.get(ON_COMPLETED, {"rate": None})
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
