r"""A row of JSON lines <-> an episode, in TRL's conversational columns.

    {"prompt": "Hi, three apples for Anna, please.", "completion": "{\"item\": \"apples\"}"}

| column | |
|---|---|
| `prompt` | text (one user turn), or the messages of a conversation that ends with the user or a tool |
| `completion` | the gold answer: text, or one assistant message; absent: unlabelled |
| `system` | text of a system turn put first |
| `teacher_prompt` | what the teacher reads in the place of all this: text or messages |
| `privileged_context` | text that only the teacher may read beside the question |
| `tools` | tool schemas, passed to the chat template |
| `choices` | the options' texts, for the metric `choice` |
| `target` | what a metric compares with, where that is not the whole completion |
| `id` | text or whole number; default: the row's number, from 0 |

Null is the same as absent. Every further column stays with the row, for metrics and `--privileged`.
"""

from collections.abc import Mapping
from typing import Any

from lm_eval_tasks.episodes import Episode, Message
from lm_eval_tasks.errors import UserError

COLUMNS = (
    "id", "prompt", "completion", "system", "teacher_prompt", "privileged_context", "tools", "choices",
    "target",
)  # fmt: skip
ROLES = ("system", "user", "assistant", "tool")


def parse_row(row: Mapping[str, Any], where: str, *, source: str, number: int) -> Episode:
    """The episode that a row holds.

    Args:
        row: As JSON has it.
        where: The place of the row, for messages.
        source: The source's name.
        number: The row's number, its id where it has none.

    Raises:
        UserError: a column is missing, of the wrong type, or contradicts another.
    """
    row = {name: value for name, value in row.items() if value is not None}
    if "prompt" not in row:
        raise UserError(
            f"{where} has no field 'prompt' (its fields: {', '.join(map(repr, row)) or 'none'}); give what "
            "is asked, as text or as a list of messages."
        )
    system = _text(row, "system", where)
    prompt = _asked(row["prompt"], "prompt", where)
    if system is not None and prompt[0]["role"] == "system":
        raise UserError(f"{where} has a field 'system' and a system turn in 'prompt'; keep one of them.")
    if "teacher_prompt" in row and "privileged_context" in row:
        raise UserError(
            f"{where} has both 'teacher_prompt' and 'privileged_context'; the former is all that the teacher "
            "reads, so keep one of them."
        )
    teacher = _asked(row["teacher_prompt"], "teacher_prompt", where) if "teacher_prompt" in row else None
    completion = _completion(row["completion"], where) if "completion" in row else None
    return Episode(
        source=source,
        id=_id(row, number, where),
        prompt=_behind(system, prompt),
        question="\n\n".join(str(turn["content"]) for turn in prompt if _is_asked(turn)),
        completion=completion,
        reference=_reference(row, completion, where),
        teacher_prompt=None if teacher is None else _behind(system, teacher),
        privileged=_text(row, "privileged_context", where),
        tools=_tools(row["tools"], where) if "tools" in row else None,
    )


def to_row(episode: Episode) -> dict[str, Any]:
    """The row that `parse_row` reads as the same episode."""
    row: dict[str, Any] = {"id": episode.id, "prompt": _plain_prompt(episode.prompt)}
    reference = dict(episode.reference)
    if reference.get("target") == episode.completion:
        reference.pop("target", None)
    optional = {
        "completion": episode.completion,
        "teacher_prompt": None if episode.teacher_prompt is None else _plain_prompt(episode.teacher_prompt),
        "privileged_context": episode.privileged,
        "tools": None if episode.tools is None else [dict(tool) for tool in episode.tools],
    }
    return row | {name: value for name, value in optional.items() if value is not None} | reference


def _plain_prompt(prompt: Any) -> Any:
    return prompt if isinstance(prompt, str) else [dict(turn) for turn in prompt]


def _behind(system: str | None, turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """The turns behind a system turn, unless they have one."""
    if system is None or turns[0]["role"] == "system":
        return turns
    return ({"role": "system", "content": system}, *turns)


def _is_asked(turn: Message) -> bool:
    """Whether a turn belongs to the question: system turns do not, nor do calls without text."""
    return turn["role"] != "system" and bool(turn.get("content"))


def _asked(value: Any, column: str, where: str) -> tuple[Message, ...]:
    """Text or messages -> messages that an answer may follow."""
    if isinstance(value, str):
        return ({"role": "user", "content": _checked_text(value, column, where)},)
    turns = _messages(value, column, where)
    if turns[-1]["role"] not in ("user", "tool"):
        raise UserError(
            f"{where}: the last message of {column!r} is the {turns[-1]['role']}'s; it must be the user's "
            "(or a tool's), since the answer follows it. Put the answer into 'completion'."
        )
    if not any(turn["role"] == "user" for turn in turns):
        raise UserError(f"{where}: {column!r} has no user turn; give the question.")
    return turns


def _messages(value: Any, column: str, where: str) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise UserError(
            f"{where}: field {column!r} must be text or a non-empty list of messages, not {value!r:.80}."
        )
    return tuple(_message(turn, i, column, where) for i, turn in enumerate(value))


def _message(turn: Any, i: int, column: str, where: str) -> Message:
    place = f"{column}[{i}]"
    if not isinstance(turn, dict):
        raise UserError(
            f'{where}: {place} must be a message {{"role": ..., "content": ...}}, not {turn!r:.80}.'
        )
    role = turn.get("role")
    if role not in ROLES:
        raise UserError(f"{where}: {place} has the role {role!r}; choose from {', '.join(ROLES)}.")
    if role == "system" and i:
        raise UserError(f"{where}: {place} is a system turn; it must be the first of the conversation.")
    content = turn.get("content")
    calls = role == "assistant" and isinstance(turn.get("tool_calls"), list) and bool(turn["tool_calls"])
    if not (isinstance(content, str) or (calls and content is None)):
        raise UserError(f"{where}: the content of {place} must be text, not {content!r:.80}.")
    if isinstance(content, str) and not calls and role != "tool":
        _checked_text(content, f"content of {place}", where)
    return dict(turn)


def _completion(value: Any, where: str) -> str:
    if isinstance(value, str):
        return _checked_text(value, "completion", where)
    turns = _messages(value, "completion", where)
    if len(turns) != 1 or turns[0]["role"] != "assistant":
        roles = ", ".join(str(turn["role"]) for turn in turns)
        raise UserError(
            f"{where}: 'completion' has {len(turns)} message(s) ({roles}); it must be one assistant message, "
            "the answer. Earlier turns belong into 'prompt'."
        )
    if turns[0].get("tool_calls"):
        raise UserError(
            f"{where}: 'completion' holds tool_calls; write the call as text, as the model is to write it."
        )
    return str(turns[0]["content"])


def _reference(row: Mapping[str, Any], completion: str | None, where: str) -> dict[str, Any]:
    """What a metric may read: `target`, `choices` and the further columns."""
    reference = {name: value for name, value in row.items() if name not in COLUMNS}
    target = _text(row, "target", where) if "target" in row else completion
    if target is not None:
        reference["target"] = target
    if "choices" in row:
        choices = row["choices"]
        if not isinstance(choices, list) or not all(isinstance(c, str) and c.strip() for c in choices):
            raise UserError(f"{where}: field 'choices' must be a list of texts, not {choices!r:.80}.")
        if len(set(choices)) != len(choices):
            raise UserError(f"{where}: field 'choices' names one option twice: {choices!r:.80}.")
        reference["choices"] = choices
    return reference


def _tools(value: Any, where: str) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not value or not all(isinstance(tool, dict) for tool in value):
        raise UserError(
            f"{where}: field 'tools' must be a list of JSON objects (tool schemas), not {value!r:.80}."
        )
    return tuple(value)


def _id(row: Mapping[str, Any], number: int, where: str) -> str:
    value = row.get("id", number)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise UserError(f"{where}: field 'id' must be text or a whole number, not {value!r:.80}.")
    return str(value)


def _text(row: Mapping[str, Any], column: str, where: str) -> str | None:
    return _checked_text(row[column], column, where) if column in row else None


def _checked_text(value: Any, column: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        remedy = "; leave the field out where there is none" if column not in ("prompt",) else ""
        raise UserError(f"{where}: field {column!r} must be non-empty text, not {value!r:.80}{remedy}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{where}: field {column!r} holds half a character (a lone surrogate); mend the text."
        ) from None
    return value
