"""The page's first answer: for each benchmark the scores side by side, and what may be said of the gain."""

from dataclasses import dataclass, replace

from distill.evaluation.kinds import SFT
from distill.report.cost_words import drift_words, economy_words, retention_words
from distill.report.costs import Cost
from distill.report.entries import Entry, kind_of, title_of, truncation_differs
from distill.report.html.standings import Standing, standing_of
from distill.report.labels import MINUS, interval, model_name, subject_name
from distill.report.markdown import Report
from distill.report.paired import Comparison
from distill.report.paired_tables import p_value
from distill.statistics.intervals import Interval, excludes_zero
from distill.statistics.paired import Paired
from distill.statistics.seeds import SeedMean
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
        standings: The base model and each condition's last common step; of several seeds, their means.
        findings: Each condition against the SFT baseline; without one, against the base model.
        costs: Of each student what it forgot, its drift and what it saves.
    """

    title: str
    standings: list[Standing]
    findings: list[Finding]
    costs: list[tuple[str, tuple[str, ...]]]


def cards(report: Report) -> list[Card]:
    """One per model and benchmark."""
    found = []
    for model, groups in report.models.items():
        several = f", {model_name(model)}" if len(report.models) > 1 else ""
        for benchmark, group in groups.items():
            lines = [line for line in report.compared[model] if line.benchmark == benchmark]
            rivals = [line for line in lines if _against_sft(line)] or lines
            shown = [_standing(entry, report) for entry in report.side_by_side(group)]
            findings = [_finding(line, report.seeds.gain(line.first, line.second)) for line in rivals]
            costs = [one for entry in group for one in report.costs_of(entry)]
            told = list(dict.fromkeys(map(_cost, costs)))
            found.append(Card(title_of(group[0]) + several, shown, findings, told))
    return found


def _cost(cost: Cost) -> tuple[str, tuple[str, ...]]:
    drift = drift_words(cost)
    said = (retention_words(cost), f"drift {drift}" if drift else "", economy_words(cost))
    return f"{cost.condition} step {cost.step}", tuple(filter(None, said))


def _standing(entry: Entry, report: Report) -> Standing:
    """One entry's row; of a checkpoint that several seeds were trained for, their mean and its interval."""
    alone, mean = standing_of(entry), report.seeds.score(entry)
    if mean is None:
        return alone
    # The bar is of scores, which a t-interval may leave.
    low, high = (min(1.0, max(0.0, end)) for end in mean.interval)
    return replace(alone, subject=f"{alone.subject}, {mean.n} seeds", score=mean.mean, low=low, high=high)


def _against_sft(line: Comparison) -> bool:
    return line.first["step"] is not None and kind_of(line.first) == SFT


def _finding(line: Comparison, seeds: SeedMean | None) -> Finding:
    """What the rows show; where there are several seeds, what those and the rows of the first one show."""
    paired = line.paired
    kind = "unclear"
    if paired.shown and line.p_holm < LEVEL and (seeds is None or _agrees(seeds, paired)):
        kind = "better" if paired.better else "worse"
    words = {"better": "beats", "worse": "falls behind", "unclear": "cannot be told from"}[kind]
    figures = f"{_points(paired.difference, paired.interval)}, adjusted p {_equation(p_value(line.p_holm))}, "
    figures += f"{paired.n} rows"
    if seeds:
        figures = f"{_points(seeds.mean, seeds.interval)} over {seeds.n} seeds; the first alone: {figures}"
    doubt = (
        "The truncated rates differ by more than 5 points."
        if truncation_differs(line.first, line.second)
        else ""
    )
    return Finding(
        kind=kind,
        words=f"{subject_name(line.second)} {words} {subject_name(line.first)}",
        figures=figures,
        doubt=doubt,
    )


def _agrees(seeds: SeedMean, paired: Paired) -> bool:
    """Whether the seeds show a difference to the same side as the rows."""
    return excludes_zero(seeds.interval) and (seeds.mean > 0) == (paired.difference > 0)


def _points(difference: float, bounds: Interval | None) -> str:
    return f"{100 * difference:+.1f} points ".replace("-", MINUS) + interval(bounds)


def _equation(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
