"""What the harness's `--metadata` may set."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import DEFAULT_SEED, MODES, Mode
from lm_eval_tasks.scoring.thinking_tags import Tags, parse_tags

VIEWS = ("student", "teacher")
_MEANT = {
    "data_dir": "data",
    "dataset": "data",
    "demos": "demonstrations",
    "demo_seed": "demonstration_seed",
    "fewshot_seed": "demonstration_seed",
    "thinking": "enable_thinking",
}
"""What people write for our keys; lm-eval ignores what it does not know."""


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """The options of a task.

    Attributes:
        data: `hub`, `sample` or a folder; default: `ICL_DATA_DIR`, else `hub`.
        pool: Where demonstrations come from, in the same words; default: the training split of `data`.
        demonstrations: See `lm_eval_tasks.prompting.demonstrations.Mode`; default: the source's own way.
        demonstration_seed: Seed of their choice.
        enable_thinking: Given to the chat template.
        think_tags: What stands around the model's reasoning; default: what its tokenizer tells.
        strict: Whether a row that cannot be judged, such as one with an unknown constraint, ends the run
            before it starts; else every answer to it counts as wrong.
        own_history: Whether the model's own answers stand in earlier turns of a conversation; default: only
            where none is recorded.
        view: `student`: the rows' prompts; `teacher`: their `teacher_prompt`, or privileged text beside them.

    Raises:
        UserError: a value of the wrong kind.
    """

    data: str | None = None
    pool: str | None = None
    demonstrations: Mode | None = None
    demonstration_seed: int = DEFAULT_SEED
    enable_thinking: bool = False
    view: str = "student"
    strict: bool = False
    own_history: bool = False
    think_tags: Tags | None = None

    def __post_init__(self) -> None:
        """Check the values, which come from a command line."""
        for name, known in (("demonstrations", (None, *MODES)), ("view", VIEWS)):
            if getattr(self, name) not in known:
                choices = ", ".join(filter(None, known))
                raise UserError(f"metadata: {name} is {getattr(self, name)!r}; choose from {choices}.")
        for name, kind in (
            ("data", str),
            ("pool", str),
            ("demonstration_seed", int),
            ("enable_thinking", bool),
            ("strict", bool),
            ("own_history", bool),
        ):
            value = getattr(self, name)
            if value is not None and type(value) is not kind:
                raise UserError(f"metadata: {name} is {value!r}; it must be of type {kind.__name__}.")

        if self.own_history and self.view == "teacher":
            raise UserError(
                "metadata: own_history goes with the view 'student' alone; leave out one of them."
            )

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any] | None) -> "TaskOptions":
        """Read our keys; the harness puts its own and the model's arguments into the same mapping.

        `enable_thinking` may so come from `--model_args` too, also from its `chat_template_args`.

        Raises:
            UserError: a wrong value, or a key that is one of ours but for its spelling.
        """
        metadata = dict(metadata or {})
        names = [field.name for field in fields(cls)]
        for key in metadata.keys() - set(names):
            close = difflib.get_close_matches(str(key).casefold(), names, n=1, cutoff=0.8)
            if meant := _MEANT.get(str(key).casefold()) or next(iter(close), None):
                raise UserError(f"metadata: unknown key {key!r}; did you mean {meant!r}?")
        template = metadata.get("chat_template_args")
        if isinstance(template, Mapping) and "enable_thinking" in template:
            metadata.setdefault("enable_thinking", template["enable_thinking"])
        found = {name: metadata[name] for name in names if metadata.get(name) is not None}
        if "think_tags" in found:
            found["think_tags"] = parse_tags(found["think_tags"], "metadata: think_tags")
        return cls(**found)
