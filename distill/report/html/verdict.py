"""The page's first answer: for each benchmark the scores side by side, and what may be said of the gain."""

from dataclasses import dataclass

from distill.evaluation.kinds import SFT
from distill.report.entries import kind_of, title_of, truncation_differs
from distill.report.html.standings import Standing, standing_of
from distill.report.labels import MINUS, interval, model_name, subject_name
from distill.report.markdown import Report
from distill.report.paired import Comparison
from distill.report.paired_tables import p_value
from distill.statistics.significance import LEVEL


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison in words.

    Attributes:
        kind: `better`, `worse` or `unclear`.
        words: The finding.
        figures: Difference, interval and p-value.
        doubt: Why it may mislead; empty if nothing is known.
    """

    kind: str
    words: str
    figures: str
    doubt: str


@dataclass(frozen=True, slots=True)
class Card:
    """One benchmark of one model.

    Attributes:
        title: The benchmark, and the model where there are several.
        standings: The base model and each condition's last common step.
        findings: Each condition against the SFT baseline; without one, against the base model.
    """

    title: str
    standings: list[Standing]
    findings: list[Finding]


def cards(report: Report) -> list[Card]:
    """One per model and benchmark."""
    found = []
    for model, groups in report.models.items():
        several = f", {model_name(model)}" if len(report.models) > 1 else ""
        for benchmark, group in groups.items():
            lines = [line for line in report.compared[model] if line.benchmark == benchmark]
            rivals = [line for line in lines if _against_sft(line)] or lines
            shown = [standing_of(entry) for entry in report.side_by_side(group)]
            found.append(Card(title_of(group[0]) + several, shown, list(map(_finding, rivals))))
    return found


def _against_sft(line: Comparison) -> bool:
    return line.first["step"] is not None and kind_of(line.first) == SFT


def _finding(line: Comparison) -> Finding:
    paired = line.paired
    kind = "unclear"
    if paired.shown and line.p_holm < LEVEL:
        kind = "better" if paired.better else "worse"
    words = {"better": "beats", "worse": "falls behind", "unclear": "cannot be told from"}[kind]
    points = f"{100 * paired.difference:+.1f}".replace("-", MINUS)
    doubt = (
        "The truncated rates differ by more than 5 points."
        if truncation_differs(line.first, line.second)
        else ""
    )
    return Finding(
        kind=kind,
        words=f"{subject_name(line.second)} {words} {subject_name(line.first)}",
        figures=f"{points} points {interval(paired.interval)}, adjusted p {_equation(p_value(line.p_holm))}, "
        f"{paired.n} rows",
        doubt=doubt,
    )


def _equation(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
