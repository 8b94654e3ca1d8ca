"""Held-out answers for the sample browser, each token shaded by how far the student is from the prompt."""

from bisect import bisect
from collections.abc import Iterable
from typing import Any

from distill.report.collect import TrainingRun
from distill.report.labels import plain_condition

LEVELS = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Nats from which a token is shaded one level darker."""
_ROWS = 16
_TOKENS = 200
"""Of one answer, at most."""

Json = dict[str, Any]


def shaded_groups(runs: Iterable[TrainingRun]) -> list[Json]:
    """Of each training a group as `sample_groups` has them, those with the most to learn first.

    Its subjects are the model before training and at the best step; `tokens_shaded` of an answer are lists of
    a text, a level (0: not shaded, to 5) and nats.
    """
    return [_group(run) for run in runs if run.tokens is not None]


def _group(run: TrainingRun) -> Json:
    assert run.tokens is not None
    numbered = sorted(enumerate(run.tokens.rows), key=lambda one: -sum(before for _, before, _ in one[1]))
    name = plain_condition(run.condition, run.kind)
    names = ("Before training", f"{name}, step {run.tokens.step}")
    return {
        "task": f"{run.title}, {name}: where the prompt helps, token by token",
        "of": run.title,
        "subjects": [{"name": name, "condition": run.condition, "role": "tokens"} for name in names],
        "shared": None,
        "prompts": [_prompt(number, row[:_TOKENS]) for number, row in numbered[:_ROWS]],
    }


def _prompt(number: int, row: Any) -> Json:
    text = "".join(token for token, _, _ in row)
    return {
        "id": f"held-out {number + 1}",
        "question": text,
        "target": "",
        "differs": False,
        "answers": [
            {"text": text, "tokens_shaded": [_token(one[0], one[place]) for one in row]} for place in (1, 2)
        ],
    }


def _token(text: str, nats: float) -> list[Any]:
    return [text, bisect(LEVELS, nats), round(nats, 2)]
