"""Which of lm-eval's tasks can be baked, and why the others cannot, by their YAML files alone."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.harness_index import Entry, Kind, leaves

OUTPUT_TYPES = ("generate_until", "multiple_choice", "loglikelihood")
"""What a task must ask for: a text that can be learnt."""


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
