"""Conversations whose earlier answers the evaluated model writes itself, turn by turn."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lm_eval.api.instance import Instance

from lm_eval_tasks.episodes import Episode, Message, is_open, turns_of
from lm_eval_tasks.errors import UserError

Turns = tuple[Message, ...]


def unanswered(episodes: Iterable[Episode], *, own: bool) -> dict[str, Turns]:
    """The conversations with turns that the model is to write, by id.

    Args:
        episodes: What is asked.
        own: Whether the model writes those anew that are recorded, but for calls of tools.
    """
    found = {}
    for episode in episodes:
        turns = turns_of(episode.prompt)
        if own:
            turns = tuple(
                {**turn, "content": None}
                if turn["role"] == "assistant" and not turn.get("tool_calls")
                else turn
                for turn in turns
            )
        if any(map(is_open, turns)):
            found[episode.id] = turns
    return found


def fill(
    conversations: Mapping[str, Turns], ask: Callable[[Mapping[str, Turns]], Sequence[str]]
) -> dict[str, Turns]:
    """The conversations with an answer in every open turn.

    Args:
        conversations: By id.
        ask: The answers to conversations, in their order; each ends with a turn of the user. It is called
            once a round, and never twice with what was said before in the same words.
    """
    filled = dict(conversations)
    while True:
        begun = {id: _until_open(turns) for id, turns in filled.items() if any(map(is_open, turns))}
        if not begun:
            return filled
        first: dict[str, str] = {}
        for id, turns in begun.items():
            first.setdefault(json.dumps(turns), id)
        answers = dict(zip(first, ask({id: begun[id] for id in first.values()}), strict=True))
        for id, turns in begun.items():
            answer: Message = {"role": "assistant", "content": answers[json.dumps(turns)]}
            filled[id] = (*turns, answer, *filled[id][len(turns) + 1 :])


def writer(task: str, model: Any, number: int, processes: int) -> Any:
    """The model that writes, if it can.

    Args:
        task: Its name.
        model: The harness's; None: it reads plain text.
        number: Of conversations.
        processes: That share them.

    Raises:
        UserError: it reads plain text, of which the harness tells a task nothing; or several processes would
            look for a batch size together, though they ask in different rounds.
    """
    if model is None:
        raise UserError(
            f"{task}: the model writes the earlier answers of {number} conversations itself, which takes a "
            "chat template; give --apply_chat_template."
        )
    if processes > 1 and getattr(model, "batch_size", None) == "auto":
        raise UserError(
            f"{task}: several processes that write earlier answers cannot find a batch size together; give "
            "--batch_size a number."
        )
    return model


def requests(task: str, prompts: Iterable[Any], arguments: Mapping[str, Any] | None) -> list[Instance]:
    """The harness's requests for answers to rendered prompts."""
    return [
        Instance("generate_until", {}, (prompt, dict(arguments or {})), 0, (task, place, 1))
        for place, prompt in enumerate(prompts)
    ]


def _until_open(turns: Turns) -> Turns:
    return turns[: next(place for place, turn in enumerate(turns) if is_open(turn))]
