"""What lm-evaluation-harness knows, read from its YAML files alone: nothing is downloaded, no function runs.

The only place that uses `lm_eval.tasks._index` and `_yaml_loader`: `TaskManager` reads each of 14,000 files
with all that it includes (12 s); this reads an included file once (5 s), to the same index.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.tasks._index import Entry, Kind, TaskIndex
from lm_eval.tasks._yaml_loader import load_yaml

from lm_eval_tasks.errors import UserError

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
        path = path.resolve()  # as lm-eval does: what a linked file includes stands beside the file itself
        config = load_yaml(path, resolve_func=False, recursive=False)
        included = config.pop("include", [])
        merged: dict[str, Any] = {}
        for name in [included] if isinstance(included, str) else included:
            merged |= _included(path.parent / name)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: it cannot be read as a task's YAML ({reason}). Mend the file.") from error
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


def leaves(
    entry: Entry, index: Mapping[str, Entry], inherited: Mapping[str, Any] | None = None
) -> list[Entry]:
    """The single tasks that a task, group or tag comes to, their files' contents under the group's overrides.

    Raises:
        UserError: a group names a member that there is not.
    """
    inherited = inherited or {}
    if entry.kind is Kind.TAG:
        return [
            leaf
            for name in sorted(entry.tags)
            if name in index
            for leaf in leaves(index[name], index, inherited)
        ]
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
            raise UserError(
                f"group {group}: its member {name!r} is no task that lm-eval knows; mend `task:`."
            )
