"""Which task, and what only the teacher reads: one value for the gap, the teacher, training and evaluation."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.episodes import Source
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import PRIVILEGED_TEMPLATE, Context, read_document, read_instruction
from lm_eval_tasks.prompting.demonstrations import DEFAULT_SEED, MODES


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task as it is named on a command line or in a file.

    Attributes:
        task: The bare name of a benchmark of this package; `lm_eval:NAME` or any other name: a task, group or
            tag of lm-evaluation-harness; a path that ends in `.yaml`: a task file; in `.jsonl`: rows of
            one's own.
        data: Where a benchmark's rows are: `hub`, `sample` or a folder; default: `ICL_DATA_DIR`, else `hub`.
        inputs: JSON lines to learn from in the place of the task's own training rows.
        evaluation: JSON lines that are judged, where the task is rows of one's own.
        metric: What judges them; see `lm_eval_tasks.scoring.named`.
        train_split: The split of an lm-eval task to learn from; default: its training split.
        num_fewshot: Demonstrations; default: the task's own number.
        demonstrations: How they are chosen, one of `MODES`; or a file of JSON lines, shown in its order.
        demonstration_seed: Seed of their choice.
        system_instruction: Text of a system turn, or a file that holds it.
        document: Files whose text stands in the system turn.
        privileged: See `Context`.
        privileged_template: See `Context`.
    """

    task: str
    data: str | None = None
    inputs: str | None = None
    evaluation: str | None = None
    metric: str | None = None
    train_split: str | None = None
    num_fewshot: int | None = None
    demonstrations: str | None = None
    demonstration_seed: int = DEFAULT_SEED
    system_instruction: str | None = None
    document: tuple[str, ...] = ()
    privileged: str | None = None
    privileged_template: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no later step could explain as well."""
        shown = self.demonstrations
        if shown is not None and shown not in MODES and not shown.endswith(".jsonl"):
            raise UserError(
                f"demonstrations: {shown!r} cannot be used; choose from {', '.join(MODES)}, or name a .jsonl file."
            )

    @classmethod
    def of(cls, settings: Any, **changes: Any) -> "TaskSpec":
        """The fields of an object or namespace that has (some of) them by the same names."""
        found = {f.name: getattr(settings, f.name) for f in fields(cls) if hasattr(settings, f.name)}
        # What is not given is the class's own default; a change to None takes a field away.
        found = {name: value for name, value in (found | changes).items() if value is not None}
        return cls(**found | {"document": tuple(found.get("document") or ())})

    @property
    def mode(self) -> str | None:
        """How demonstrations are chosen; None: the source's own way."""
        return self.demonstrations if self.demonstrations in MODES else None

    @property
    def demonstrations_file(self) -> str | None:
        """The file of demonstrations, if one is named."""
        return self.demonstrations if self.demonstrations not in (None, *MODES) else None

    def open(self, *, chat: bool = True) -> Source:
        """The source; see `open_source`."""
        return open_source(self, chat=chat)

    def context(self, source: Source) -> Context:
        """What only the teacher reads.

        Raises:
            UserError: a file cannot be read, or a value cannot be used.
        """
        instruction = self.system_instruction
        return Context(
            num_fewshot=source.num_fewshot if self.num_fewshot is None else self.num_fewshot,
            demonstrations=self.mode or source.demonstration_mode,
            demonstration_seed=self.demonstration_seed,
            system_instruction=None if instruction is None else read_instruction(instruction),
            documents=tuple(read_document(path) for path in self.document),
            privileged=self.privileged,
            privileged_template=self.privileged_template or PRIVILEGED_TEMPLATE,
        )


def open_source(task: TaskSpec | str, *, chat: bool = True, **options: Any) -> Source:
    """The source that `task` names.

    Args:
        task: A specification, or what its field `task` says.
        chat: Whether the model has a chat template; lm-eval's tasks are plain text without one.
        options: Further fields of a `TaskSpec`, where `task` is a text.

    Raises:
        UserError: nothing of that name can be opened, or a file cannot be used.
    """
    spec = TaskSpec(task, **options) if isinstance(task, str) else task
    source = _opened(spec, chat)
    if spec.inputs is not None and not _is_rows(spec.task):
        from lm_eval_tasks.sources.other_inputs import OtherInputs

        source = OtherInputs(source, spec.inputs)
    return source


def _opened(spec: TaskSpec, chat: bool) -> Source:
    name = spec.task
    if name in BENCHMARKS or _is_rows(name):
        _check_unused(spec, "train_split", name)
    if name in BENCHMARKS:
        from lm_eval_tasks.sources.benchmark import BenchmarkSource

        _check_unused(spec, "demonstrations_file", name)
        return BenchmarkSource(name, spec.data)
    if _is_rows(name):
        return _open_rows(spec)
    from lm_eval_tasks.sources.lm_eval_task import open_lm_eval_task

    _check_unused(spec, "demonstrations_file", name)
    return open_lm_eval_task(
        name,
        chat=chat,
        train_split=spec.train_split,
        demonstrations=spec.mode or "fixed",
        seed=spec.demonstration_seed,
        num_fewshot=spec.num_fewshot,
    )


def _check_unused(spec: TaskSpec, field: str, name: str) -> None:
    if getattr(spec, field) is not None:
        option = "demonstrations" if field == "demonstrations_file" else field
        other = "rows of one's own" if field == "demonstrations_file" else "tasks of lm-eval"
        raise UserError(f"{option}: {getattr(spec, field)!r} is for {other} only, and the task is {name!r}.")


def _is_rows(task: str) -> bool:
    """Whether a task is rows of one's own: a file of them, or a folder's task file that this package wrote."""
    return task.endswith(".jsonl") or (task.endswith(".yaml") and Path(task).with_name("task.py").is_file())


def _open_rows(spec: TaskSpec) -> Source:
    from lm_eval_tasks.sources.json_lines import open_json_lines
    from lm_eval_tasks.sources.task_folder import read_task_folder

    if spec.task.endswith(".yaml"):
        files = read_task_folder(Path(spec.task))
        return open_json_lines(
            inputs=spec.inputs,
            evaluation=files.evaluation,
            demonstrations=spec.demonstrations_file or files.demonstrations,
            tools=files.tools,
            metric=spec.metric or files.metric,
            name=files.name,
            max_new_tokens=files.max_new_tokens,
        )
    # A file of labelled rows is learnt from; with no other file named, there is nothing to judge.
    return open_json_lines(
        spec.task if spec.inputs is None else None,
        inputs=spec.inputs,
        evaluation=spec.evaluation,
        demonstrations=spec.demonstrations_file,
        metric=spec.metric,
        name=Path(spec.task).stem,
    )
