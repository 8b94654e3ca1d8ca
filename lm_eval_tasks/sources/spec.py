"""Which task, and what only the teacher reads: one value for gap, teacher, training and evaluation."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.episodes import Source
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require
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
            Other tasks do not read it, so that one value serves several tasks.
        pool: Where a benchmark's demonstrations come from, in the same words; default: the training split of
            `data`.
        inputs: JSON lines to learn from in the place of the task's own training rows.
        evaluation: JSON lines that are judged, where the task is a file of rows. Without it, the task's rows
            are judged where `inputs` are learnt from; else a fifth of them is, the others are learnt from.
        metric: What judges rows of one's own; see `lm_eval_tasks.benchmarks.metric`.
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
    pool: str | None = None
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
                f"demonstrations: {shown!r} cannot be used; choose from {', '.join(MODES)}, or name a .jsonl "
                "file."
            )
        if self.train_split is not None and self.inputs is not None:
            raise UserError(
                f"rows to learn from are named twice: train_split {self.train_split!r} and inputs "
                f"{self.inputs!r}. Keep one of them."
            )

    @classmethod
    def of(cls, settings: Any, **changes: Any) -> "TaskSpec":
        """The fields of an object or namespace that has (some of) them by the same names."""
        found = {f.name: getattr(settings, f.name) for f in fields(cls) if hasattr(settings, f.name)}
        # What is not given is the class's own default; a change to None takes a field away.
        found = {name: value for name, value in (found | changes).items() if value is not None}
        documents = found.get("document", ())
        # A file of settings may name one document without a list.
        return cls(**found | {"document": (documents,) if isinstance(documents, str) else tuple(documents)})

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
        options: Further fields of a `TaskSpec`.

    Raises:
        UserError: nothing of that name can be opened, a file cannot be used, or an option does not fit the
            kind of task.
    """
    spec = TaskSpec(task, **options) if isinstance(task, str) else replace(task, **options)
    if _is_rows(spec.task):
        return _open_rows(spec)
    source = _open_benchmark(spec) if spec.task in BENCHMARKS else _open_lm_eval(spec, chat)
    if spec.inputs is None:
        return source
    from lm_eval_tasks.sources.other_inputs import OtherInputs

    return OtherInputs(source, spec.inputs)


def _open_benchmark(spec: TaskSpec) -> Source:
    from lm_eval_tasks.sources.benchmark import BenchmarkSource

    _check_unused(spec, *_OF_ROWS, "train_split")
    return BenchmarkSource(spec.task, spec.data, spec.pool)


def _open_lm_eval(spec: TaskSpec, chat: bool) -> Source:
    file = Path(spec.task)
    if not spec.task.endswith(_YAML) and (file.suffix == ".json" or (file.suffix and file.is_file())):
        raise UserError(
            f"{spec.task} cannot be told to be rows or a task by its name. A file of JSON lines ends in "
            ".jsonl, a task of lm-eval in .yaml: rename it."
        )
    require("eval", only=["lm-eval"])
    from lm_eval_tasks.sources.lm_eval_task import open_lm_eval_task

    _check_unused(spec, *_OF_ROWS)
    return open_lm_eval_task(
        spec.task,
        chat=chat,
        train_split=spec.train_split,
        demonstrations=spec.mode or "fixed",
        seed=spec.demonstration_seed,
        num_fewshot=spec.num_fewshot,
    )


def _open_rows(spec: TaskSpec) -> Source:
    from lm_eval_tasks.sources.json_lines import open_json_lines

    _check_unused(spec, "train_split")
    if spec.task.endswith(_YAML):
        return _open_folder(spec)
    told = spec.evaluation
    if told is None and spec.inputs is not None:
        told = spec.task  # what is not learnt from is judged
    learned = None if told == spec.task else spec.task
    return open_json_lines(
        learned,
        inputs=spec.inputs,
        evaluation=told,
        demonstrations=spec.demonstrations_file,
        metric=spec.metric,
        name=Path(spec.task).stem,
        split=told is None,
    )


def _open_folder(spec: TaskSpec) -> Source:
    from lm_eval_tasks.sources.json_lines import open_json_lines
    from lm_eval_tasks.sources.task_folder import read_task_folder

    _check_unused(spec, "evaluation")
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


_YAML = (".yaml", ".yml")
_OF_ROWS = ("evaluation", "metric", "demonstrations_file")
_FITS = {
    "evaluation": "for a file of rows of one's own",
    "metric": "for rows of one's own",
    "demonstrations_file": "for rows of one's own",
    "train_split": "for tasks of lm-eval",
}


def _check_unused(spec: TaskSpec, *unfit: str) -> None:
    """Refuse fields that this kind of task would not look at."""
    for name in unfit:
        if (value := getattr(spec, name)) is not None:
            raise UserError(
                f"{name.removesuffix('_file')}: {value!r} is {_FITS[name]} only, and the task is "
                f"{spec.task!r}; leave it out."
            )


def _is_rows(task: str) -> bool:
    """Whether a task is rows of one's own: a file of them, or the task file of a folder written of some."""
    if task.endswith(".jsonl"):
        return True
    if not task.endswith(_YAML):
        return False
    from lm_eval_tasks.sources.task_folder import is_task_file

    return is_task_file(Path(task))
