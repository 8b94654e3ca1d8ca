"""A job's verdict in one sentence, and the three figures under it: never more than the rows show."""

import statistics

from distill.report.cost_words import drift_words, economy_words, retention_words
from distill.report.costs import Cost
from distill.report.entries import Entry, kind_of, primary
from distill.report.html.job import Job
from distill.report.labels import MINUS, interval, plain_condition
from distill.statistics.retention import Verdict
from distill.statistics.significance import LEVEL

Fact = tuple[str, str, str]
"""Name, value, explanation."""


def sentence(job: Job) -> str:
    """The verdict."""
    clauses = [_scores(job) + _gain(job)]
    if job.student:
        clauses += [_forgotten(_cost(job)), _saving(job)]
    return "; ".join(filter(None, clauses)) + "."


def facts(job: Job) -> list[Fact]:
    """Gap closed, what was forgotten, and what is saved; of a job without a student none."""
    if not job.student:
        return []
    cost, tokens = _cost(job), _tokens_saved(job)
    words = [retention_words(cost), f"drift {drift}" if (drift := drift_words(cost)) else ""] if cost else []
    known = cost.kept.verdict if cost and cost.kept else None
    value = {Verdict.LOST: "a loss", Verdict.NOTHING: "nothing", Verdict.OPEN: "no loss shown"}
    saved = "not measured" if tokens is None else f"{tokens:.0f} prompt tokens"
    return [
        _closed(job),
        ("Forgotten", value[known] if known else "not measured", "; ".join(filter(None, words))),
        ("Saved per request", saved, economy_words(cost) if cost else ""),
    ]


def _scores(job: Job) -> str:
    """Who answers how many."""
    first, *others = _in_order(job)
    mean = job.report.seeds.score(first)
    metrics = [primary(entry) for entry in (first, *others)]
    counted = mean is None and None not in [metric["correct"] for metric in metrics]
    if counted and len({metric["total"] for metric in metrics}) == 1:
        values = [str(metric["correct"]) for metric in metrics]
        told = f"answers {values[0]} of {metrics[0]['total']} right"
    else:
        values = [f"{100 * metric['rate']:.1f}%" for metric in metrics]
        score = f"{100 * mean.mean:.1f}% on average over {mean.n} seeds" if mean else values[0]
        told = f"scores {score}"
    beside = [f"{_name(entry)} {value}" for entry, value in zip(others, values[1:], strict=True)]
    how = " without the prompt" if job.student else ""
    words = f"{_subject(job, first)} {told}{how}" + (f", {' and '.join(beside)}" if beside else "")
    return words[:1].upper() + words[1:]


def _in_order(job: Job) -> list[Entry]:
    """The subject of the sentence, then the bare model and the prompt."""
    if not job.student and job.prompted:
        return [job.prompted, *([job.bare] if job.bare else [])]
    return [entry for entry in (job.student, job.bare, job.prompted) if entry] or job.entries


def _subject(job: Job, entry: Entry) -> str:
    if entry is job.student and job.rivals > 1:
        return f"{_name(entry)}, the best of {job.rivals} conditions,"
    return _name(entry)


def _name(entry: Entry) -> str:
    if entry["step"] is not None:
        return plain_condition(entry["condition"], kind_of(entry))
    return "the prompt" if entry.get("view") == "prompted" or entry["num_fewshot"] else "the bare model"


def _gain(job: Job) -> str:
    """What share of the gap is closed; without one, whether there is a gain."""
    seeds, closed = job.share, job.closed
    if seeds:
        return f": {_percent(seeds.mean)} of the gap closed {interval(seeds.interval, 0)}"
    if closed and closed.share is not None:
        bounds = f" {interval(closed.interval, 0)}" if closed.interval else ""
        return f": {_percent(closed.share)} of the gap closed{bounds}"
    line = job.comparison()
    if line is None:
        return ""
    if not line.paired.shown or line.p_holm >= LEVEL:
        return ", a difference that may be chance"
    bounds = f" {interval(line.paired.interval)}" if line.paired.interval else ""
    return f": {100 * line.paired.difference:+.1f} points".replace("-", MINUS) + bounds


def _closed(job: Job) -> Fact:
    seeds, closed = job.share, job.closed
    told = "the student's gain over the bare model as a share of the prompt's, on the same rows"
    if seeds:
        return "Gap closed", _percent(seeds.mean), f"{interval(seeds.interval, 0)}, {seeds.n} seeds; {told}"
    if closed is None:
        return "Gap closed", "not measured", ""
    if closed.share is None:
        return "Gap closed", "not said", "the prompt's own gain may be chance"
    bounds = f"{interval(closed.interval, 0)}; " if closed.interval else ""
    return "Gap closed", _percent(closed.share), bounds + told


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("-", MINUS)


def _forgotten(cost: Cost | None) -> str:
    """Of the retention's words the verdict alone."""
    if cost is None or cost.kept is None or cost.kept.together is None:
        return ""
    found = cost.kept
    return {
        Verdict.LOST: "it forgot something else",
        Verdict.NOTHING: "it forgot nothing measurable",
        Verdict.OPEN: f"no loss shown on {cost.kept.together.n} rows of other tasks, too few to say more",
    }[found.verdict]


def _saving(job: Job) -> str:
    tokens = _tokens_saved(job)
    return "" if tokens is None else f"{tokens:.0f} prompt tokens saved per request"


def _cost(job: Job) -> Cost | None:
    return next(iter(job.report.costs_of(job.student)), None) if job.student else None


def _tokens_saved(job: Job) -> float | None:
    """How much longer the prompted model's requests are than the student's; None where nobody counted."""
    means = []
    for entry in (job.prompted, job.student):
        rows = job.report.logs.rows(entry) if entry else None
        lengths = [row["prompt_tokens"] for row in (rows or {}).values() if row.get("prompt_tokens")]
        if not lengths or len(lengths) < len(rows or {}):
            return None
        means.append(statistics.fmean(lengths))
    return means[0] - means[1]
