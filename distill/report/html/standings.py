"""The rows of the page's leaderboard."""

from dataclasses import dataclass

from distill.evaluation.summary import warnings_of
from distill.report.labels import (
    BENCHMARK_NAMES,
    Entry,
    counted,
    interval,
    model_name,
    shown_metrics,
    subject_name,
)
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
        low: Lower end of its 95% interval.
        high: Upper end.
        score_text: Rate and counts.
        interval_text: The interval in percent.
        second: The second metric's rate.
        second_text: Rate and counts.
        truncated: Share of responses cut at the token limit.
        tokens: Mean response length.
        warnings: What makes this result doubtful.
    """

    task: str
    model: str
    subject: str
    condition: str
    step: int
    shots: int
    score: float
    low: float
    high: float
    score_text: str
    interval_text: str
    second: float
    second_text: str
    truncated: float
    tokens: float
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
    first, second = (entry["metrics"][name] for name in shown_metrics(entry["benchmark"]))
    diagnostics = entry["diagnostics"]
    return Standing(
        task=BENCHMARK_NAMES[entry["benchmark"]],
        model=model_name(entry["model"]["name"]),
        subject=subject_name(entry),
        condition=entry["condition"],
        step=entry["step"] or 0,
        shots=entry["num_fewshot"],
        score=first["rate"],
        low=first["interval"][0],
        high=first["interval"][1],
        score_text=counted(first),
        interval_text=interval(first["interval"]),
        second=second["rate"],
        second_text=counted(second),
        truncated=diagnostics["truncated"]["rate"],
        tokens=diagnostics["mean_response_tokens"],
        warnings=warnings_of(entry),
    )
