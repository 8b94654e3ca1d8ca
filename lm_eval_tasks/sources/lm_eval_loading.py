"""A name or a YAML path to loaded tasks of lm-evaluation-harness, or to one clear refusal."""

import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lm_eval.api.task import ConfigurableTask, Task
from lm_eval.tasks import TaskManager

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.harness_index import Entry, Kind, entry_of, known_tasks, leaves, read_index
from lm_eval_tasks.sources.harness_listing import unsupported


@dataclass(frozen=True)
class Loaded:
    """A task, group or tag.

    Attributes:
        name: Its name.
        tasks: Its single tasks.
        is_collection: Whether it is a group or tag.
        manager: What loaded them; `simple_evaluate(task_manager=...)` need then not read all YAML files.
    """

    name: str
    tasks: list[ConfigurableTask]
    is_collection: bool
    manager: TaskManager


def load(name_or_path: str, metadata: Mapping[str, Any] | None = None) -> Loaded:
    """Load a task, group or tag, its data included.

    Raises:
        UserError: it does not exist, cannot be asked as episodes, or lm-eval cannot load it.
    """
    path = Path(name_or_path).expanduser()
    manager = TaskManager(include_defaults=False, metadata=dict(metadata or {}))
    if path.suffix in (".yaml", ".yml"):
        entry = _file_entry(path, manager)
        # lm-eval 0.4.13 takes a group's list of members for its name where it is given by its path.
        spec = entry.name if entry.kind is Kind.GROUP else str(path)
    else:
        spec = name_or_path.removeprefix("lm_eval:")
        entry = _known_entry(spec, manager)
    for leaf in leaves(entry, manager.task_index):
        if why := unsupported(leaf):
            raise UserError(f"{leaf.name} cannot be baked: {why}. `icl-distill tasks` lists what can be.")
    try:
        tasks = list(manager.load([spec])["tasks"].values())
    except (
        Exception
    ) as error:  # data that is not there, functions of the YAML, metrics that are not installed
        raise UserError(
            f"{spec}: lm-eval cannot load it ({type(error).__name__}: {error}). Where its data set is "
            "missing, download it once with a network; else mend the YAML."
        ) from error
    for task in tasks:
        _check_class(task)
    return Loaded(entry.name, tasks, entry.kind in (Kind.GROUP, Kind.TAG), manager)


def fresh(task: ConfigurableTask) -> ConfigurableTask:
    """The task anew, over the same data: evaluation changes its settings and keeps requests in it."""
    config = {field.name: getattr(task.config, field.name) for field in fields(task.config)}
    custom_dataset = config.pop("custom_dataset")
    dataset = task.dataset
    # Whatever made the data is not run again: it may be slow, or make other rows.
    again = type(task)(config=copy.deepcopy(config) | {"custom_dataset": lambda **_: dataset})
    again.set_config("custom_dataset", custom_dataset)
    return again


def _know(manager: TaskManager, entries: Mapping[str, Entry]) -> None:
    # `TaskManager` would read these files itself, each with all that it includes: three times as slow.
    manager.task_index.update(entries)


def _known_entry(name: str, manager: TaskManager) -> Entry:
    _know(manager, known_tasks())
    entry = manager.task_index.get(name)
    if entry is None:
        near = difflib.get_close_matches(name, known_tasks(), n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise UserError(f"lm-eval knows no task {name!r}.{hint} `icl-distill tasks PATTERN` lists them.")
    return entry


def _file_entry(path: Path, manager: TaskManager) -> Entry:
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the path of a task's YAML, or a task's name.")
    entry = entry_of(path.resolve())
    if entry.kind is Kind.GROUP:
        neighbours = read_index(path.resolve().parent)
        try:
            leaves(entry, neighbours)
        except UserError:  # a member stands elsewhere: among lm-eval's own
            _know(manager, known_tasks())
        _know(manager, neighbours | {entry.name: entry})
    return entry


def _check_class(task: Task) -> None:
    """Tasks of a class of its own may make prompts by other ways than the ones used here."""
    if (
        not isinstance(task, ConfigurableTask)
        or type(task).fewshot_context is not ConfigurableTask.fewshot_context
    ):
        raise UserError(
            f"{task.task_name} cannot be baked: its class {type(task).__name__} makes its own prompts. "
            "`icl-distill tasks` lists what can be."
        )
