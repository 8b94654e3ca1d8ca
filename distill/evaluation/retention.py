"""What baking costs: other tasks, drift, and what a request saves, of the base model and of its students.

One engine serves the base model once and each student once; the folder holds

    results.json   the tasks' results, as `gap` and `eval` write them, of kind `retention`
    drift.json     see `distill.evaluation.drift_file`
    economy.json   see `distill.evaluation.economy`; it is written last
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distill.evaluation.checkpoints import Checkpoint
from distill.evaluation.drift import DriftMeter
from distill.evaluation.drift_file import DriftFile
from distill.evaluation.economy import Request, Saving, write_economy
from distill.evaluation.engines import Engine, check_model, open_engine
from distill.evaluation.measure import Question
from distill.evaluation.prefill import prefill_seconds
from distill.evaluation.results import ResultsFile
from distill.evaluation.retention_files import DRIFT, ECONOMY, KIND, RESULTS
from distill.evaluation.session import Clock, Session, Subject, say
from distill.evaluation.settings import EvalSettings
from lm_eval_tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class _Student:
    checkpoint: Checkpoint
    subject: Subject


def measure_retention(
    settings: EvalSettings,
    questions: Sequence[Question],
    checkpoints: Sequence[Checkpoint],
    folder: Path,
    *,
    request: Request | None = None,
    answers_seconds: float = 0.0,
) -> None:
    """Measure what `folder` does not hold yet; every result is saved as it is there.

    Args:
        settings: The base model and how models are asked.
        questions: The tasks, asked bare.
        checkpoints: The students.
        folder: For the files.
        request: Prompt tokens of a request with and without the prompt; None: not known, so no economy.
        answers_seconds: What the teacher's answers took, which students learnt from.

    Raises:
        UserError: bad input, or a student that does not differ from the base model.
    """
    work = _Work(settings, questions, checkpoints, folder, request)
    engine = open_engine(settings, [one for one in checkpoints if one.kind == "adapter"])
    work.visit(engine, drift=settings.backend == "hf")
    engine.close()
    if settings.backend != "hf" and work.open_drift:
        # vLLM gives the likeliest tokens only, and drift is of all.
        engine = open_engine(replace(settings, backend="hf", model_args={}))
        work.visit(engine, drift=True, tasks=False)
        engine.close()
    write_economy(folder / ECONOMY, settings.backend, work.savings(answers_seconds))


class _Work:
    """What is open, and what was found."""

    def __init__(
        self,
        settings: EvalSettings,
        questions: Sequence[Question],
        checkpoints: Sequence[Checkpoint],
        folder: Path,
        request: Request | None,
    ) -> None:
        self._session = Session(settings, ResultsFile(folder / RESULTS, KIND), check_model(settings.model))
        self._base = self._session.base()
        self._students = [_Student(one, self._session.trained(one)) for one in checkpoints]
        self._questions = questions
        self._request = request
        self._seconds: dict[Subject, float] = {}
        self._drift = DriftFile(folder / DRIFT, self._session.base_fingerprint)
        subjects = [self._base, *(student.subject for student in self._students)]
        self._clock = Clock(sum(len(self._open(subject)) for subject in subjects))

    @property
    def open_drift(self) -> list[Subject]:
        """The students whose drift is not known."""
        return [one.subject for one in self._students if not self._drift.knows(one.subject)]

    def visit(self, engine: Engine, *, drift: bool, tasks: bool = True) -> None:
        """Serve the base model, then each student that something is open of."""
        meter = None
        wanted = set(self.open_drift) if drift else set()
        if wanted or (tasks and (self._request or self._open(self._base))):
            with engine.serve() as lm:
                if tasks:
                    self._ask(engine, lm, self._base)
                if wanted:
                    meter = DriftMeter(lm.model, lm.tokenizer)
                    say(f"drift: the base model answered {len(meter.ids)} prompts ({meter.seconds:.0f} s)")
        for student in self._students:
            subject = student.subject
            if subject in wanted or (tasks and (self._request or self._open(subject))):
                with engine.serve(student.checkpoint) as lm:
                    if tasks:
                        self._ask(engine, lm, subject)
                    if meter is not None and subject in wanted:
                        self._measure_drift(engine, lm, subject, meter)

    def savings(self, answers_seconds: float) -> list[Saving]:
        """Of each student; nothing where a request's length is not known."""
        if self._request is None:
            return []
        return [
            Saving.of(
                student.checkpoint,
                self._request,
                (self._seconds[self._base], self._seconds[student.subject]),
                answers_seconds=answers_seconds,
            )
            for student in self._students
        ]

    def _open(self, subject: Subject) -> list[Question]:
        return [question for question in self._questions if not self._session.is_done(subject, question)]

    def _ask(self, engine: Engine, lm: Any, subject: Subject) -> None:
        """The open tasks, and the time to the first token: of the base model with the prompt."""
        for question in self._open(subject):
            self._clock.next(f"{subject}: {question}")
            self._session.run(lm, engine.dtype(lm), subject, question)
        if self._request is not None:
            tokens = self._request.before if subject == self._base else self._request.after
            self._seconds[subject] = prefill_seconds(lm, round(tokens))

    def _measure_drift(self, engine: Engine, lm: Any, subject: Subject, meter: DriftMeter) -> None:
        found = meter.measure(lm.model)
        if not any(found.kl_rows):
            raise UserError(
                f"{subject.checkpoint}: with this student the model gives every token exactly the "
                "probability that the base model gives it: the weights are not in use, or change nothing."
            )
        self._drift.add(subject, meter, found, engine.dtype(lm))
        told = f"{found.kl:.4f} nats per token, {found.same:.1%} of tokens the same"
        say(f"  drift of {subject}: {told} ({found.seconds:.0f} s)")
