"""THE renderer: (episode, demonstrations) -> chat messages.

Evaluation, SFT, the teacher and rewards all call it, so that what is measured is what was trained.
Demonstrations are user/assistant turns; nothing is shown to the model that is not in `messages`.
"""

from collections.abc import Sequence

from lm_eval_tasks.episodes import Episode, Message, is_open, turns_of
from lm_eval_tasks.errors import UserError


def assistant_completion(episode: Episode) -> str:
    """The gold assistant turn.

    Raises:
        UserError: the episode has no gold answer.
    """
    if episode.completion is None:
        raise UserError(
            f"{episode.source} {episode.id} has no gold answer, so it can be neither a demonstration nor "
            "a training row. Take those from the training split."
        )
    return episode.completion


def build_messages(
    episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
) -> list[Message]:
    """The prompt for `episode` as chat messages, ending with its own turns.

    Args:
        episode: The question that is asked; a prompt that is text becomes one user turn.
        demonstrations: Solved episodes shown before it, in this order.
        system: A system turn, if any.

    Raises:
        UserError: a demonstration has no gold answer, or an earlier turn no answer.
    """
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for shown in demonstrations:
        messages += _turns(shown)
        messages.append({"role": "assistant", "content": assistant_completion(shown)})
    return messages + _turns(episode)


def _turns(episode: Episode) -> list[Message]:
    turns = turns_of(episode.prompt)
    if any(map(is_open, turns)):
        raise UserError(
            f"{episode.source} {episode.id}: no answer to an earlier turn is recorded; only an evaluation "
            "can ask this, in which the model writes it."
        )
    return [dict(turn) for turn in turns]
