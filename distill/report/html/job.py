"""Who stands on a job's card: the bare model, the prompt, one student, and the best plain fine-tuning."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from distill.evaluation.kinds import SFT
from distill.report.entries import (
    Entry,
    bare_and_prompted,
    best_of,
    conditions_of,
    is_bare,
    kind_of,
    last_common,
    trained_entries,
)
from distill.report.markdown import Report
from distill.report.paired import Comparison, gaps_closed
from distill.statistics.gap import GapClosed
from distill.statistics.seeds import SeedMean, over_seeds


@dataclass(frozen=True, slots=True)
class Job:
    """One benchmark of one model.

    Attributes:
        report: What it is part of.
        model: The base model.
        group: All its entries.
        bare: The untrained model without a prompt.
        prompted: The untrained model with it.
        student: Of the last checkpoints the best that was not plainly fine-tuned; else the best.
        tuned: The best that was plainly fine-tuned, beside the student.
        rivals: Of how many conditions the student is the best.
        closed: The share of the prompt's gain that the student has; None where that was not measured.
        share: The same over the student's seeds; None of one seed.
    """

    report: Report = field(repr=False)
    model: str
    group: Sequence[Entry]
    bare: Entry | None
    prompted: Entry | None
    student: Entry | None
    tuned: Entry | None
    rivals: int
    closed: GapClosed | None
    share: SeedMean | None

    @property
    def entries(self) -> list[Entry]:
        """Those that are there, as the card lists them."""
        found = [entry for entry in (self.bare, self.prompted, self.student, self.tuned) if entry]
        return found or list(self.group[:1])

    def comparison(self) -> Comparison | None:
        """The student, else the prompt, against the bare model."""
        other = self.student or self.prompted
        lines = self.report.compared[self.model]
        return next((line for line in lines if line.first is self.bare and line.second is other), None)


def job_of(model: str, group: Sequence[Entry], report: Report) -> Job:
    """The job of a model's entries of one benchmark."""
    bare, prompted = bare_and_prompted(group)
    students = list(last_common(group, conditions_of(trained_entries(group))).values())
    tuned = [entry for entry in students if kind_of(entry) == SFT]
    baked = [entry for entry in students if kind_of(entry) != SFT]
    student = best_of(baked or tuned)
    closed = gaps_closed(group, report.logs, report.teachers)
    shares = report.seeds.shares_closed(report.seeds.of(student)) if student else {}
    return Job(
        report=report,
        model=model,
        group=group,
        bare=bare,
        prompted=prompted,
        student=student,
        tuned=best_of(tuned) if baked else None,
        rivals=len(baked or tuned),
        closed=next((one for _, its, one in closed if its is student), None),
        share=over_seeds(list(shares.values())) if student else None,
    )


def role_of(entry: Entry) -> str:
    """`bare`, `prompt`, `tuned` or `baked`."""
    if entry["step"] is None:
        return "bare" if is_bare(entry) else "prompt"
    return "tuned" if kind_of(entry) == SFT else "baked"
