"""What `gap` and `eval` share: do what is not done yet, save it at once, and tell of what looks wrong."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distill.evaluation.checkpoints import Checkpoint, tokenizer_of
from distill.evaluation.engines import has_chat_template
from distill.evaluation.kinds import kind_in
from distill.evaluation.measure import BARE, PROMPTED, Question, measure, prepare
from distill.evaluation.results import Entry, ResultsFile
from distill.evaluation.settings import EvalSettings
from distill.evaluation.summary import headline, warnings_of
from distill.model.fingerprints import device_name, digest, model_fingerprint, versions
from distill.model.identity import Identity, deciding_versions, differences, model_identity
from lm_eval_tasks.episodes import Source
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.sources import TaskSpec
from lm_eval_tasks.sources.unjudged import refuse, unjudged


@dataclass(frozen=True, slots=True)
class Subject:
    """The model that is measured.

    Attributes:
        condition: `base`, or the training condition's name.
        step: Optimiser step; None for the base model.
        training: `base`, or the condition's kind; see `distill.evaluation.kinds`.
        weights: `base`, `adapter` or `full`.
        checkpoint: Its folder; None for the base model.
        fingerprint: Of its config and weights.
        identity: Of all that decides on its answers; see `model_identity`.
    """

    condition: str
    step: int | None
    training: str | None
    weights: str
    checkpoint: Path | None
    fingerprint: str
    identity: Identity = field(hash=False, repr=False)

    def __str__(self) -> str:
        """Such as `online_v1 step 200`."""
        return self.condition if self.step is None else f"{self.condition} step {self.step}"


class Session:
    """Measures into one results file.

    Attributes:
        settings: How models are asked.
        file: Where results go.
        base_fingerprint: Of the base model's folder.
    """

    def __init__(self, settings: EvalSettings, file: ResultsFile, base_folder: Path) -> None:
        """Nothing is loaded."""
        self.settings = settings
        self.file = file
        self._base_folder = base_folder
        self.base_fingerprint = model_fingerprint(base_folder)
        self._versions = versions()

    def base(self) -> Subject:
        """The base model."""
        identity = model_identity(self._base_folder, self._base_folder, self.base_fingerprint)
        return Subject("base", None, "base", "base", None, self.base_fingerprint, identity)

    def trained(self, checkpoint: Checkpoint) -> Subject:
        """A checkpoint; an adapter's fingerprint includes its base's."""
        own = model_fingerprint(checkpoint.folder)
        folder = tokenizer = self._base_folder
        if checkpoint.kind == "adapter":
            own = digest(self.base_fingerprint + own)
        else:
            folder, tokenizer = checkpoint.folder, Path(tokenizer_of(checkpoint, str(folder)))
        return Subject(
            checkpoint.condition,
            checkpoint.step,
            kind_in(checkpoint.folder.parent),
            checkpoint.kind,
            checkpoint.folder,
            own,
            model_identity(folder, tokenizer, own),
        )

    def is_done(self, subject: Subject, question: Question) -> bool:
        """Whether the file has this measurement of this very model.

        Raises:
            UserError: it has one, made with other settings or rows.
        """
        found = self.file.find((subject.condition, subject.step, *question.key))
        if found is None or not (self.file.path.parent / found["samples"]).is_file():
            return False
        otherwise = self._asked_otherwise(found, question)
        if otherwise and found["model"]["fingerprint"] == subject.fingerprint:
            raise UserError(
                f"{self.file.path} holds {subject}, {question}, measured otherwise: {'; '.join(otherwise)}. "
                "Name another --output, or remove the file."
            )
        if changed := self._changes(found, subject, question):
            say(f"{subject}, {question}, was measured with another {', another '.join(changed)}: again")
        return not changed

    def _asked_otherwise(self, found: Entry, question: Question) -> list[str]:
        """What a user chose and would be surprised to see replaced."""
        now = {"request": self.settings.request(), "data": question.data, "demonstrations": question.shown}
        return [
            f"{name} ({found[part].get(name)!r} there, {now[part].get(name)!r} now)"
            for part in now
            for name in _compared(part, found[part], now[part])
            if found[part].get(name) != now[part].get(name)
        ]

    def _changes(self, found: Entry, subject: Subject, question: Question) -> list[str]:
        """What decides on answers or verdicts and is not as it was."""
        now = subject.identity | {"task definition": question.definition}
        noted = found.get("identity")
        if noted is None:  # an earlier version noted the weights alone
            noted = {"weights": found["model"]["fingerprint"]}
        adapter, backend = subject.weights == "adapter", self.settings.backend
        deciding = deciding_versions(self._versions, backend=backend, adapter=adapter)
        return differences(noted, now) + differences(found["versions"], deciding)

    def run(self, lm: Any, dtype: str, subject: Subject, question: Question) -> None:
        """Measure, save and report one entry."""
        measured, rows = measure(lm, self.settings, question)
        folder = subject.checkpoint
        entry = {
            "condition": subject.condition,
            "step": subject.step,
            "kind": subject.training,
            **measured,
            "model": {
                "name": self.settings.model,
                "kind": subject.weights,
                "checkpoint": self.file.relative(folder) if folder else None,
                "fingerprint": subject.fingerprint,
                "base_fingerprint": self.base_fingerprint,
                "dtype": dtype,
            },
            "identity": subject.identity | {"task definition": question.definition},
            "request": self.settings.request(),
            "batch_size": self.settings.batch_size,
            "tensor_parallel_size": self.settings.tensor_parallel_size,
            "device": device_name(),
        }
        self.file.add(entry, rows)
        say(f"  {headline(entry)}")
        for warning in warnings_of(entry):
            say(f"  WARNING: {warning}")


def _compared(part: str, there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What must agree of two records of one part."""
    # A prompt without something is another one; an earlier version requested under more names.
    names = [*now, *(name for name in there if name not in now and part == "demonstrations")]
    # The same rows may lie in another place; and earlier versions did not note which rows are shown.
    passed = {"source"} | ({"ids"} if "ids" not in there else set())
    return [name for name in names if name not in passed]


def prepare_questions(
    settings: EvalSettings, spec: TaskSpec, shots: Sequence[int] | None, views: Sequence[str]
) -> list[Question]:
    """The views of every member of a task.

    Args:
        settings: The model, whose tokenizer says whether it chats, and how many rows are asked.
        spec: The task.
        shots: Numbers of demonstrations of the prompted view; default: the task's own. 0 among them is the
            bare view, where nothing else is prompted.
        views: Wanted: `bare`, `prompted`.

    Raises:
        UserError: see `prepare`; or a number is negative, or nothing is prompted.
    """
    source = spec.open(chat=has_chat_template(settings.model))
    questions: dict[tuple[str, str, int], Question] = {}
    for member in source.members:
        context = spec.context(member)
        if shots and min(shots) < 0:
            raise UserError(f"--num_fewshot is {min(shots)}; it must be 0 or more.")
        rows = None
        for view, k in _wanted(member, context, shots, views):
            question = prepare(settings, member, spec, replace(context, num_fewshot=k), view)
            questions[question.key] = question
            rows = question.data["rows"]
        if settings.n_samples and rows is not None and rows < settings.n_samples:
            say(f"{member.name} has {rows} rows: all are evaluated (--n_samples {settings.n_samples})")
    if not questions:
        raise UserError(
            f"{spec.task}: nothing is prompted; give --num_fewshot, --system_instruction, --document or "
            "--privileged."
        )
    return list(questions.values())


def refuse_unjudged(questions: Sequence[Question]) -> None:
    """What `--strict` asks for.

    Raises:
        UserError: an evaluated row names a constraint that nothing defines, or cannot be judged otherwise.
    """
    for name, member in {question.benchmark: question.member for question in questions}.items():
        rows = member.evaluation()
        refuse(name, unjudged(member, rows), len(rows), option="--strict")


def _wanted(
    member: Source, context: Context, shots: Sequence[int] | None, views: Sequence[str]
) -> list[tuple[str, int]]:
    """(view, number of demonstrations), the bare view first."""
    beside = context.system() is not None or context.privileged is not None or has_own_context(member)
    told = [context.num_fewshot] if shots is None else sorted(set(shots))
    bare = shots is None or 0 in told or beside or PROMPTED not in views
    found = [(BARE, 0)] if BARE in views and bare else []
    return found + [(PROMPTED, k) for k in told if PROMPTED in views and (k or beside)]


def has_own_context(member: Source) -> bool:
    """Whether evaluated rows bring what only the teacher reads."""
    return any(row.teacher_prompt is not None or row.privileged is not None for row in member.evaluation())


def say(text: str) -> None:
    """Progress goes to stderr, beside lm-eval's bars."""
    print(text, file=sys.stderr, flush=True)


class Clock:
    """`[3/10]` and the time that is probably left."""

    def __init__(self, total: int) -> None:
        """`total` measurements are to be done."""
        self._total = total
        self._done = 0
        self._begun = time.monotonic()

    def next(self, label: str) -> None:
        """Announce the next measurement."""
        left = ""
        if self._done:
            seconds = (time.monotonic() - self._begun) / self._done * (self._total - self._done)
            left = f", about {seconds / 60:.0f} min left"
        self._done += 1
        say(f"[{self._done}/{self._total}] {label}{left}")
