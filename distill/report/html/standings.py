"""The rows of the page's leaderboard."""

from dataclasses import dataclass

from distill.report.entries import Entry, diagnostic, doubts, shown_metrics, title_of
from distill.report.labels import counted, interval, model_name, subject_name
from distill.report.markdown import Report


@dataclass(frozen=True, slots=True)
class Standing:
    """One result.

    Attributes:
        task: The benchmark's name.
        model: The base model's.
        subject: Such as `online_v1 step 200`.
        condition: Of the subject.
        step: Training step; 0 for the base model.
        shots: Demonstrations in the prompt.
        score: The primary metric's rate.
        low: Lower end of its 95% interval; None where there is none.
        high: Upper end.
        score_text: Rate and counts.
        interval_text: The interval in percent.
        second: The second metric's rate; None of a task with one metric.
        second_text: Rate and counts.
        truncated: Share of responses cut at the token limit; None where nothing is generated.
        tokens: Mean response length; None likewise.
        warnings: What makes this result doubtful.
    """

    task: str
    model: str
    subject: str
    condition: str
    step: int
    shots: int
    score: float
    low: float | None
    high: float | None
    score_text: str
    interval_text: str
    second: float | None
    second_text: str
    truncated: float | None
    tokens: float | None
    warnings: list[str]


def standings(report: Report) -> list[Standing]:
    """All results, those of one model and benchmark together."""
    return [
        standing_of(entry)
        for groups in report.models.values()
        for group in groups.values()
        for entry in group
    ]


def standing_of(entry: Entry) -> Standing:
    """One entry's row."""
    first, *others = [entry["metrics"][name] for name in shown_metrics(entry)]
    second = others[-1] if others else None
    low, high = first["interval"] or (None, None)
    truncated = diagnostic(entry, "truncated")
    return Standing(
        task=title_of(entry),
        model=model_name(entry["model"]["name"]),
        subject=subject_name(entry),
        condition=entry["condition"],
        step=entry["step"] or 0,
        shots=entry["num_fewshot"],
        score=first["rate"],
        low=low,
        high=high,
        score_text=counted(first),
        interval_text=interval(first["interval"]),
        second=second["rate"] if second else None,
        second_text=counted(second),
        truncated=truncated["rate"] if truncated else None,
        tokens=diagnostic(entry, "mean_response_tokens"),
        warnings=doubts(entry),
    )
