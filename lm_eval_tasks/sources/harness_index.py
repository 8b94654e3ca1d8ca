"""What lm-evaluation-harness knows, read from its YAML files alone: nothing is downloaded, no function runs.

The only place that uses `lm_eval.tasks._index` and `_yaml_loader`: `TaskManager` reads each of 14,000 files
with all that it includes (12 s); this reads an included file once (5 s), to the same index.
"""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.tasks._index import Entry, Kind, TaskIndex
from lm_eval.tasks._yaml_loader import load_yaml

from lm_eval_tasks.errors import UserError

OUTPUT_TYPES = ("generate_until", "multiple_choice", "loglikelihood")
"""What a task must ask for: a text that can be learnt."""

_IGNORED = {"__pycache__", ".ipynb_checkpoints"}


@cache
def known_tasks() -> Mapping[str, Entry]:
    """Every task, group and tag that lm-eval brings along, by name."""
    return read_index(Path(lm_eval.tasks.__file__).parent)


def read_index(folder: Path) -> dict[str, Entry]:
    """Tasks, groups and tags of the YAML files below `folder`; files that are no task are passed over."""
    index: dict[str, Entry] = {}
    for path in sorted(folder.rglob("*.yaml"), key=Path.as_posix):
        if _IGNORED.isdisjoint(path.parts):
            try:
                TaskIndex.process_cfg(read_config(path), path, index)
            except Exception:  # as lm-eval does: a file that is no task must not hide the others
                continue
    return index


def read_config(path: Path) -> dict[str, Any]:
    """A task's YAML with what it includes; `!function` stays a text.

    Raises:
        UserError: the file is no YAML, or includes one that is not there.
    """
    try:
        config = load_yaml(path, resolve_func=False, recursive=False)
        included = config.pop("include", [])
        merged: dict[str, Any] = {}
        for name in [included] if isinstance(included, str) else included:
            merged |= _included(path.parent / name)
    except Exception as error:
        raise UserError(f"{path}: it cannot be read as a task's YAML ({error}). Mend the file.") from error
    return merged | config


@cache
def _included(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = load_yaml(path, resolve_func=False)
    return {key: value for key, value in config.items() if key != "task_list"}


def entry_of(path: Path) -> Entry:
    """The task or group that a YAML file defines.

    Raises:
        UserError: it defines none.
    """
    config = read_config(path)
    index: dict[str, Entry] = {}
    if "task" in config or "group" in config:
        TaskIndex.process_cfg(config, path, index)
    for entry in index.values():
        if entry.kind is not Kind.TAG:
            return entry
    raise UserError(f"{path}: the file names neither a `task` nor a `group`; give a task's YAML.")


def leaves(entry: Entry, index: Mapping[str, Entry], inherited: Mapping[str, Any] | None = None) -> list[Entry]:
    """The single tasks that a task, group or tag comes to, their files' contents under the group's overrides.

    Raises:
        UserError: a group names a member that there is not.
    """
    inherited = inherited or {}
    if entry.kind is Kind.TAG:
        return [leaf for name in sorted(entry.tags) if name in index for leaf in leaves(index[name], index, inherited)]
    config = dict(entry.cfg or {})
    if entry.kind is not Kind.GROUP:
        return [Entry(entry.name, entry.kind, entry.yaml_path, config | dict(inherited), entry.tags)]
    own = {key: value for key, value in config.items() if key not in _GROUP_FIELDS}
    return list(_members(config, index, own | dict(inherited), entry.name))


_GROUP_FIELDS = {"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"}


def _members(
    config: Mapping[str, Any], index: Mapping[str, Entry], overrides: dict[str, Any], group: str
) -> Iterator[Entry]:
    listed = config.get("task") or []
    for item in [listed] if isinstance(listed, str) else listed:
        more = {} if isinstance(item, str) else {k: v for k, v in item.items() if k not in ("task", "group")}
        name = item if isinstance(item, str) else item.get("group") or item.get("task")
        if isinstance(name, str) and name in index:
            yield from leaves(index[name], index, overrides | more)
        elif not isinstance(item, str) and "group" in item:
            yield from _members(item, index, overrides | more, f"{group}::{name}")
        elif "doc_to_text" in overrides | more:  # lm-eval takes what it does not know for a task defined here
            yield Entry(f"{group}::{name}", Kind.TASK, None, overrides | more)
        else:
            raise UserError(f"group {group}: its member {name!r} is no task that lm-eval knows; mend `task:`.")


def unsupported(entry: Entry) -> str:
    """Why a single task cannot be asked as episodes, "" where it can."""
    config = entry.cfg or {}
    output_type = config.get("output_type") or "generate_until"
    if "class" in config:
        return _class_reason(config)
    if output_type not in OUTPUT_TYPES:
        return f"{output_type} asks nothing: it measures how likely whole texts are"
    if config.get("doc_to_image") or config.get("doc_to_audio"):
        return "its questions hold images or sound"
    if config.get("unsafe_code"):
        return "it runs code that the model writes (unsafe_code)"
    return ""


def _class_reason(config: Mapping[str, Any]) -> str:
    name = str(config["class"])
    if "lm_eval_tasks." in name:
        own = (config.get("dataset_kwargs") or {}).get("benchmark")
        return f"one of ours: bake it as {own}" if own else "one of ours: bake it by its own name"
    return f"a Python class of its own ({name.rpartition('/')[2]}) makes its prompts"


def evaluated_split(config: Mapping[str, Any]) -> str | None:
    """The split that lm-eval evaluates: the test split, else the validation split."""
    return config.get("test_split") or config.get("validation_split")


def untrainable(config: Mapping[str, Any]) -> str:
    """Why a task has no rows to learn from, "" where it has some."""
    evaluated, training = evaluated_split(config), config.get("training_split")
    if training and training != evaluated:
        return ""
    validation = config.get("validation_split")
    spare = validation if validation not in (None, evaluated) else None
    what = f"its training split {training!r} is the one evaluated" if training else "no training split"
    return f"{what}: --inputs FILE" + (f", or --train_split {spare}" if spare else "")


@dataclass(frozen=True, slots=True)
class Listed:
    """One name of the index.

    Attributes:
        name: As `--task` takes it.
        kind: `task`, `group` or `tag`.
        output_type: `generate_until`, ...; of groups and tags all that occur, joined by `+`.
        train: Its training split; None: there is none. Of groups and tags, all three are None.
        validation: Its validation split.
        test: Its test split.
        num_fewshot: Demonstrations by default.
        members: Single tasks of a group or tag; None: it is one itself.
        reason: Why it cannot be baked, with the remedy where there is one; "": it can.
    """

    name: str
    kind: str
    output_type: str
    train: str | None
    validation: str | None
    test: str | None
    num_fewshot: int
    members: int | None
    reason: str


def list_tasks(index: Mapping[str, Entry]) -> list[Listed]:
    """What each name of the index is and whether it can be baked, by name."""
    return [_listed(index[name], index) for name in sorted(index)]


def matching(rows: list[Listed], pattern: str | None) -> list[Listed]:
    """The rows whose name fits a glob, or holds a text without `*`, `?` and `[`."""
    if pattern is None:
        return rows
    glob = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
    return [row for row in rows if fnmatch.fnmatchcase(row.name, glob)]


def _listed(entry: Entry, index: Mapping[str, Entry]) -> Listed:
    if entry.kind in (Kind.GROUP, Kind.TAG):
        return _listed_collection(entry, index)
    config = entry.cfg or {}
    return Listed(
        name=entry.name,
        kind="task",
        output_type=config.get("output_type") or ("" if "class" in config else "generate_until"),
        train=config.get("training_split"),
        validation=config.get("validation_split"),
        test=config.get("test_split"),
        num_fewshot=config.get("num_fewshot") or 0,
        members=None,
        reason=unsupported(entry) or untrainable(config),
    )


def _listed_collection(entry: Entry, index: Mapping[str, Entry]) -> Listed:
    reason, members = "", []
    try:
        members = leaves(entry, index)
        reason = collection_reason(members)
    except UserError as error:
        reason = str(error)
    rows = [_listed(member, index) for member in members]
    shots = {row.num_fewshot for row in rows}
    return Listed(
        name=entry.name,
        kind=entry.kind.name.lower(),
        output_type="+".join(sorted({row.output_type for row in rows} - {""})),
        train=None,
        validation=None,
        test=None,
        num_fewshot=max(shots, default=0),
        members=len(members),
        reason=reason,
    )


def collection_reason(members: list[Entry]) -> str:
    """Why a group or tag cannot be baked: a member that cannot be asked, or none with rows to learn from."""
    if not members:
        return "it has no members"
    for member in members:
        if why := unsupported(member):
            return f"its member {member.name}: {why}"
    reasons = [untrainable(member.cfg or {}) for member in members]
    return reasons[0] if all(reasons) else ""
