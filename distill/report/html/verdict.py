"""The page's first answer: of each job one sentence, its bars, and what may be said of the gain."""

from dataclasses import dataclass

from distill.report.comparability import comparison_warnings
from distill.report.cost_words import drift_words, economy_words, retention_words
from distill.report.costs import Cost
from distill.report.entries import Entry, title_of, truncation_differs
from distill.report.html.job import Job, job_of, role_of
from distill.report.html.sentence import facts, sentence
from distill.report.html.standings import Standing, standing_of
from distill.report.labels import MINUS, interval, model_name, plain_name
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
    """One job: a benchmark of one model.

    Attributes:
        title: The benchmark, and the model where there are several.
        sentence: The verdict.
        bars: Role and row of the bare model, the prompt, the student, and fine-tuning.
        facts: Name, value and explanation of gap closed, what was forgotten and what is saved.
        findings: The student's comparisons.
        others: Those of the other conditions.
        costs: Of each other student what it forgot, its drift and what it saves.
        unlike: Whether something that should be equal differs between the scores.
    """

    title: str
    sentence: str
    bars: list[tuple[str, Standing]]
    facts: list[tuple[str, str, str]]
    findings: list[Finding]
    others: list[Finding]
    costs: list[tuple[str, tuple[str, ...]]]
    unlike: bool


def cards(report: Report) -> list[Card]:
    """One per model and benchmark."""
    return [
        _card(job_of(model, group, report), report)
        for model, groups in report.models.items()
        for group in groups.values()
    ]


def _card(job: Job, report: Report) -> Card:
    model = f", {model_name(job.model)}" if len(report.models) > 1 else ""
    lines = [line for line in report.compared[job.model] if line.benchmark == job.entries[0]["benchmark"]]
    findings = [(line, _finding(line, report.seeds.gain(line.first, line.second))) for line in lines]
    costs = {id(one): one for entry in job.group for one in report.costs_of(entry)}
    own = [id(one) for one in report.costs_of(job.student)] if job.student else []
    shown = job.student or job.prompted
    return Card(
        title=title_of(job.entries[0]) + model,
        sentence=sentence(job),
        bars=[(role_of(entry), _standing(entry, report)) for entry in job.entries],
        facts=facts(job),
        findings=[found for line, found in findings if line.second is shown],
        others=[found for line, found in findings if line.second is not shown],
        costs=list(dict.fromkeys(_cost(one) for key, one in costs.items() if key not in own)),
        unlike=bool(comparison_warnings(job.entries)),
    )


def _cost(cost: Cost) -> tuple[str, tuple[str, ...]]:
    drift = drift_words(cost)
    said = (retention_words(cost), f"drift {drift}" if drift else "", economy_words(cost))
    return f"{cost.condition} step {cost.step}", tuple(filter(None, said))


def _standing(entry: Entry, report: Report) -> Standing:
    """One entry's row; of a checkpoint that several seeds were trained for, their mean and its interval."""
    alone, mean = standing_of(entry), report.seeds.score(entry)
    return alone.over_seeds(mean) if mean else alone


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
    names = [plain_name(entry) for entry in (line.second, line.first)]
    return Finding(kind=kind, words=f"{names[0]} {words} {names[1]}", figures=figures, doubt=doubt)


def _agrees(seeds: SeedMean, paired: Paired) -> bool:
    """Whether the seeds show a difference to the same side as the rows."""
    return excludes_zero(seeds.interval) and (seeds.mean > 0) == (paired.difference > 0)


def _points(difference: float, bounds: Interval | None) -> str:
    return f"{100 * difference:+.1f} points ".replace("-", MINUS) + interval(bounds)


def _equation(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
