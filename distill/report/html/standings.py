"""The rows of the page's leaderboard."""

from dataclasses import dataclass, replace

from distill.report.entries import Entry, diagnostic, doubts, shown_metrics, title_of
from distill.report.labels import counted, interval, model_name, plain_name
from distill.report.markdown import Report
from distill.statistics.seeds import SeedMean


@dataclass(frozen=True, slots=True)
class Standing:
    """One result.

    Attributes:
        task: The benchmark's name.
        model: The base model's.
        subject: Such as `Baked (online_v1)`; see `plain_name`.
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
        last: Whether it is of its condition's last step.
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
    last: bool = True

    def over_seeds(self, mean: SeedMean) -> "Standing":
        """The mean over seeds and its interval in the place of one seed's."""
        # The bar is of scores, which a t-interval may leave.
        low, high = (min(1.0, max(0.0, end)) for end in mean.interval)
        told = interval((low, high))
        named = f"{self.subject}, {mean.n} seeds"
        return replace(self, subject=named, score=mean.mean, low=low, high=high, interval_text=told)


def standings(report: Report) -> list[Standing]:
    """All results, those of one model and benchmark together."""
    found = []
    for groups in report.models.values():
        for group in groups.values():
            last: dict[str, int] = {}
            for entry in group:
                last[entry["condition"]] = max(entry["step"] or 0, last.get(entry["condition"], 0))
            found += [
                replace(standing_of(entry), last=(entry["step"] or 0) == last[entry["condition"]])
                for entry in group
            ]
    return found


def standing_of(entry: Entry) -> Standing:
    """One entry's row."""
    first, *others = [entry["metrics"][name] for name in shown_metrics(entry)]
    second = others[-1] if others else None
    low, high = first["interval"] or (None, None)
    truncated = diagnostic(entry, "truncated")
    return Standing(
        task=title_of(entry),
        model=model_name(entry["model"]["name"]),
        subject=plain_name(entry),
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
