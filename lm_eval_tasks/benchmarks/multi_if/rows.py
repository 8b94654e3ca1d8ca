"""Dialogues of facebook/Multi-IF -> episodes, one for each turn."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lm_eval_tasks.benchmarks.definition import Role, document
from lm_eval_tasks.benchmarks.ifeval.rows import describe_instructions, parse_ifeval
from lm_eval_tasks.episodes import Episode, Message, is_open, turns_of
from lm_eval_tasks.errors import UserError

NAME = "multi_if"
TURNS = (1, 2, 3)
_DIALOGUE = "dialogue"


def turns_of_dialogue(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A row for each turn of a dialogue, `turn` and the whole `dialogue`; a row of another kind is its own.

    The data writes "None" or nothing where a dialogue has no further turn.
    """
    asked = [turn for turn in TURNS if _is_there(row.get(f"turn_{turn}_prompt"))]
    if not asked:
        return [row]
    return [{"key": row.get("key"), "turn": turn, _DIALOGUE: row} for turn in asked]


def parse_turn(row: Mapping[str, Any], id: str, where: str) -> Episode:
    """A turn as `turns_of_dialogue` gives it, or a training row in IFEval's schema.

    The answers to the turns before it are those recorded in the dialogue, `turn_1_response` and so on; open
    turns where there are none.
    """
    if _DIALOGUE not in row:
        single = parse_ifeval(row, id, where, source=NAME)
        return _told(single, single.id, 1, "")
    dialogue, turn = row[_DIALOGUE], row["turn"]
    alone = turn_alone(dialogue, turn, where)
    where = f"{where} turn {turn}"
    messages: list[Message] = []
    for earlier in range(1, turn):
        messages += [_asked(dialogue, earlier, where), _answered(dialogue, earlier, where)]
    messages.append(_asked(dialogue, turn, where))
    said = [message["content"] for message in messages if message["role"] == "user"]
    return replace(alone, prompt=tuple(messages), question="\n\n".join(said))


def turn_alone(dialogue: Mapping[str, Any], turn: int, where: str) -> Episode:
    """A turn without those before it: its own message, and its instructions as they stand in the dialogue.

    Raises:
        UserError: a field cannot be used.
    """
    where = f"{where} turn {turn}"
    key = dialogue.get("key")
    if not isinstance(key, str | int) or isinstance(key, bool) or not str(key).strip():
        raise UserError(f"{where}: field 'key' must be the dialogue's name, not {key!r:.80}.")
    fields = {
        "key": f"{key}/{turn}",
        "prompt": _asked(dialogue, turn, where)["content"],
        "instruction_id_list": _json(dialogue, f"turn_{turn}_instruction_id_list", where),
        "kwargs": _arguments(dialogue, f"turn_{turn}_kwargs", where),
    }
    episode = parse_ifeval(fields, "", where, source=NAME)
    return _told(episode, str(key), turn, str(dialogue.get("language") or ""))


def turn_document(episode: Episode) -> dict[str, Any]:
    """See `Benchmark.document`; the prompt is what the user said: answers may be the model's own."""
    return {**document(episode), "prompt": episode.question}


def describe_dialogues(
    role: Role, rows: Sequence[Mapping[str, Any]], episodes: Sequence[Episode]
) -> list[str]:
    """See `Benchmark.describe`."""
    lines = describe_instructions(role, rows, episodes)
    if role == "evaluation":
        turns = Counter(episode.reference["turn"] for episode in episodes)
        told = ", ".join(f"{count} of turn {turn}" for turn, count in sorted(turns.items()))
        recorded = sum(not any(map(is_open, turns_of(episode.prompt))) for episode in episodes)
        lines.insert(0, f"{len(episodes)} questions: {told}; {recorded} with all earlier answers recorded")
    return lines


def _told(episode: Episode, key: str, turn: int, language: str) -> Episode:
    where = {"key": key, "turn": turn, "language": language}
    return replace(episode, reference={**episode.reference, **where})


def _is_there(value: Any) -> bool:
    return value is not None and str(value).strip() not in ("", "None")


def _asked(dialogue: Mapping[str, Any], turn: int, where: str) -> Message:
    name = f"turn_{turn}_prompt"
    message = _json(dialogue, name, where)
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, str) or not content.strip() or message.get("role") != "user":
        raise UserError(f"{where}: field {name!r} must be a message of the user, not {message!r:.80}.")
    return {"role": "user", "content": content}


def _answered(dialogue: Mapping[str, Any], turn: int, where: str) -> Message:
    """The recorded answer to a turn; where there is none the evaluated model is to write it."""
    name = f"turn_{turn}_response"
    content = dialogue.get(name)
    if content is not None and not isinstance(content, str):
        raise UserError(
            f"{where}: field {name!r} must be text, or null where none is recorded, not {content!r:.80}."
        )
    return {"role": "assistant", "content": content}


def _arguments(dialogue: Mapping[str, Any], name: str, where: str) -> Any:
    """A list of objects, each of which the data writes as JSON text in JSON text."""
    entries = _json(dialogue, name, where)
    if not isinstance(entries, list):
        return entries
    return [_decoded(entry, name, where) for entry in entries]


def _json(dialogue: Mapping[str, Any], name: str, where: str) -> Any:
    return _decoded(dialogue.get(name), name, where)


def _decoded(value: Any, name: str, where: str) -> Any:
    """A value, or what its JSON text holds."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: field {name!r} is not readable as JSON ({error}).") from None
