"""RLVR-IFeval: reward 1 where the constraint function of the ground truth holds, else 0.

The functions are open-instruct's, not Google's. `revision` says which state of them: `main`, or `tulu3`, with
which Tulu 3 (https://arxiv.org/abs/2411.15124) was trained; see `revisions`.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lm_eval_tasks.benchmarks.rlvr.functions import FUNCTIONS, UnsatisfiableError
from lm_eval_tasks.benchmarks.rlvr.revisions import DEFAULT_REVISION, REVISIONS, check_revision
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.thinking import split_thinking


@dataclass(frozen=True, slots=True)
class RlvrVerdict:
    """A reward.

    Attributes:
        reward: 1.0 if the constraint holds, else 0.0.
        reason: Why it could not be judged (unusable argument, empty answer); None where it was judged.
    """

    reward: float
    reason: str | None = None


def score(
    response: str,
    ground_truth: str | Mapping[str, Any],
    *,
    opened_in_prompt: bool = False,
    revision: str = DEFAULT_REVISION,
) -> RlvrVerdict:
    """Judge one response.

    Args:
        response: The raw response; thinking is split off first.
        ground_truth: `func_name` and its arguments, as a mapping or a JSON object; nulls are dropped.
        opened_in_prompt: See `split_thinking`.
        revision: Whose functions judge, one of `REVISIONS`.

    Raises:
        UserError: unreadable ground truth, unknown `func_name` or unknown `revision`.
    """
    answer = split_thinking(response, opened_in_prompt=opened_in_prompt).answer
    return judge(answer, ground_truth, revision)


def judge(
    answer: str, ground_truth: str | Mapping[str, Any], revision: str = DEFAULT_REVISION
) -> RlvrVerdict:
    """Judge an answer as it stands: `score` without the splitting of thinking; raises as it does."""
    name, arguments = parse_ground_truth(ground_truth)
    if not answer.strip():
        return RlvrVerdict(0.0, "empty answer")
    function = REVISIONS[check_revision(revision)][name]
    try:
        bound = _signature(function).bind(answer, **arguments)
    except TypeError as error:
        return RlvrVerdict(0.0, f"{name}: {error}")
    try:
        return RlvrVerdict(float(function(*bound.args, **bound.kwargs)))
    except UnsatisfiableError as error:
        return RlvrVerdict(0.0, f"{name}: {error}")


@cache
def _signature(function: Callable[..., bool]) -> inspect.Signature:
    return inspect.signature(function)


def parse_ground_truth(ground_truth: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The function's name and its arguments without nulls.

    Raises:
        UserError: unreadable ground truth or unknown `func_name`.
    """
    parsed: Any = ground_truth
    if isinstance(ground_truth, str):
        try:
            parsed = json.loads(ground_truth)
        except (ValueError, RecursionError) as error:
            raise UserError(f"rlvr: ground_truth is not readable as JSON ({error}).") from None
    if not isinstance(parsed, Mapping):
        raise UserError(f"rlvr: ground_truth must be an object with 'func_name', not {parsed!r:.80}.")
    name = parsed.get("func_name")
    if not isinstance(name, str) or name not in FUNCTIONS:
        raise UserError(f"rlvr: unknown func_name {name!r:.80}; one of: {', '.join(FUNCTIONS)}.")
    return name, {key: value for key, value in parsed.items() if key != "func_name" and value is not None}
