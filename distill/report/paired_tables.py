"""The tables of paired comparisons."""

from collections.abc import Iterable

from distill.evaluation.results import view_name
from distill.report.entries import Entry, primary, title_of, truncation_differs
from distill.report.labels import MISSING, interval, percent, points, subject_name, table
from distill.report.paired import Comparison
from distill.report.tables import TRUNCATED_MARK
from distill.statistics.gap import GapClosed

COMPARISONS_NOTE = (
    "Both of a pair answered the same rows. Won: rows that only the one named first got right; lost: rows "
    "that only the other did. Intervals: 95%, Tango's score interval. p: exact McNemar test; adjusted "
    "(Holm), it holds for all lines together. Detectable: the smallest true difference that so many rows "
    "would show with a power of 80% at the level of the adjustment's first step, 5% over the number of lines."
)
SCORES_NOTE = (
    "Where a row's value is no verdict: p by the sign test over rows; won and lost are rows on which the one "
    "or the other is higher; intervals by the paired bootstrap over rows, where 10 rows or more differ."
)


def comparisons_table(comparisons: Iterable[Comparison]) -> str | None:
    """Every pair that the report compares."""
    header = ["Dataset", "Comparison", "Rows", "Difference", "95% interval", "Won", "Lost"]
    header += ["p", "p (adjusted)", "Detectable"]
    rows = []
    for found in comparisons:
        paired = found.paired
        mark = TRUNCATED_MARK if truncation_differs(found.first, found.second) else ""
        pair = f"{subject_name(found.second)} against {subject_name(found.first)}"
        row = [title_of(found.first), pair, str(paired.n), points(paired.difference) + mark]
        row += [interval(paired.interval), str(paired.only_second), str(paired.only_first)]
        rows.append([*row, p_value(paired.p), p_value(found.p_holm), percent(found.detectable)])
    return table(header, rows) if rows else None


def comparisons_note(comparisons: Iterable[Comparison]) -> str:
    """How the table is read."""
    scored = any(primary(found.first).get("unit", "row") != "row" for found in comparisons)
    return f"{COMPARISONS_NOTE} {SCORES_NOTE}" if scored else COMPARISONS_NOTE


def gap_closed_table(found: Iterable[tuple[Entry, Entry, GapClosed]]) -> str | None:
    """How much of the ICL gap each condition's last checkpoint closed."""
    rows = []
    for few_shot, student, closed in found:
        name = [
            title_of(student),
            subject_name(student),
            view_name(few_shot),
        ]
        if closed.share is None:
            rows.append([*name, "not reported: the gap may be chance", MISSING, interval(closed.gap)])
        else:
            shares = [f"{100 * closed.share:.0f}%", interval(closed.interval, digits=0)]
            rows.append([*name, *shares, interval(closed.gap)])
    header = ["Dataset", "Condition", "Gap to", "Gap closed", "95% interval (%)", "95% interval of the gap"]
    return table(header, rows) if rows else None


def p_value(p: float) -> str:
    """`0.034`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
