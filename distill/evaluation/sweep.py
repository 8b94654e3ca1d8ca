"""The checkpoint sweep: conditions x steps x benchmarks, 0-shot, in one engine."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distill.evaluation.checkpoints import Checkpoint, find_checkpoints, other_base
from distill.evaluation.engines import Engine, check_model, open_engine
from distill.evaluation.measure import BARE, Question
from distill.evaluation.probe import probe
from distill.evaluation.results import ResultsFile
from distill.evaluation.session import Clock, Session, Subject, say
from distill.evaluation.settings import EvalSettings
from lm_eval_tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class _Job:
    checkpoint: Checkpoint
    subject: Subject
    todo: list[Question]


def sweep(
    settings: EvalSettings,
    questions: Sequence[Question],
    base_dir: Path,
    conditions: Sequence[str],
    steps: Sequence[int | str] | None,
    output: Path,
    *,
    prompted: Sequence[str] = (),
) -> list[str]:
    """Evaluate the checkpoints that `output` does not hold yet; every result is saved as it is there.

    Args:
        settings: The base model and how models are asked.
        questions: What each is asked; see `prepare_questions`.
        base_dir: Holds one folder of checkpoints per condition.
        conditions: Names of those folders.
        steps: Optimiser steps, or `best`, `last`; None: all that exist.
        output: The results file.
        prompted: Conditions that are asked the prompted views as well.

    Returns:
        One paragraph for every checkpoint that could not be evaluated; the others were.

    Raises:
        UserError: bad input that concerns all checkpoints.
    """
    file = ResultsFile(output, "checkpoints")
    checkpoints, problems = find_checkpoints(base_dir, conditions, steps)
    if checkpoints:
        problems += _measure(settings, file, checkpoints, questions, prompted)
    if problems or output.exists():
        file.note(problems)
    return problems


def _measure(
    settings: EvalSettings,
    file: ResultsFile,
    checkpoints: Sequence[Checkpoint],
    questions: Sequence[Question],
    prompted: Sequence[str],
) -> list[str]:
    """Measure what is open; one paragraph for every checkpoint that could not be."""
    session = Session(settings, file, check_model(settings.model))
    jobs = _open_jobs(session, checkpoints, questions, prompted)
    engine = open_engine(settings, [job.checkpoint for job in jobs if job.checkpoint.kind == "adapter"])
    runner = _Runner(session, engine, Clock(sum(len(job.todo) for job in jobs)))
    problems = []
    for job in jobs:
        if problem := runner.attempt(job):
            say(f"  PROBLEM: {problem}")
            problems.append(problem)
    engine.close()
    return problems


def _open_jobs(
    session: Session,
    checkpoints: Sequence[Checkpoint],
    questions: Sequence[Question],
    prompted: Sequence[str],
) -> list[_Job]:
    jobs = []
    for checkpoint in checkpoints:
        subject = session.trained(checkpoint)
        asked = [one for one in questions if one.view == BARE or checkpoint.condition in prompted]
        todo = [question for question in asked if not session.is_done(subject, question)]
        if todo:
            jobs.append(_Job(checkpoint, subject, todo))
    return jobs


class _Runner:
    """Evaluates one checkpoint after another in one engine."""

    def __init__(self, session: Session, engine: Engine, clock: Clock) -> None:
        self._session = session
        self._engine = engine
        self._clock = clock

    def attempt(self, job: _Job) -> str | None:
        """Measure what is open of one checkpoint; returns what was in the way."""
        try:
            self.run(job)
            return None
        except UserError as error:
            return str(error)
        except Exception as error:  # memory, shapes, a backend's own: no reason to give up the others
            traceback.print_exc()
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            problem = (
                f"{job.checkpoint.folder} could not be evaluated ({reason:.500}). If memory ran out, give a "
                "smaller --batch_size or --max_new_tokens; the same command measures what is missing."
            )
        # Half put on, an adapter may have changed the base; and the error held memory until here.
        self._engine.close()
        return problem

    def run(self, job: _Job) -> None:
        """Measure what is open of one checkpoint.

        Raises:
            UserError: it cannot be measured, or its adapter changes nothing.
        """
        adapter = job.checkpoint.kind == "adapter"
        base = self._engine.base_probe() if adapter else None
        with self._engine.serve(job.checkpoint) as lm:
            dtype = self._engine.dtype(lm)
            if adapter and probe(lm) == base:
                raise UserError(
                    f"{job.checkpoint.folder}: the adapter changes nothing: with it, the model gives a probe "
                    "text exactly the likelihood that the base gives it. The backend ignores the adapter, or "
                    f"its weights are too small for {dtype}; its scores would be the base model's."
                )
            model = self._session.settings.model
            if adapter and (other := other_base(job.checkpoint, model)):
                say(f"  WARNING: {job.subject} was trained on {other}, and is put on {model} here")
            for question in job.todo:
                self._clock.next(f"{job.subject} ({job.checkpoint.kind}): {question}")
                self._session.run(lm, dtype, job.subject, question)
