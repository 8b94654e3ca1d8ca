"""Responses and ground truths of RLVR-IFeval -> rewards: one core for the verifiers environment and GRPO.

Whatever is wrong with a row or a response ends as a `problem` of that one `Grade`: a run never stops over it,
and it never earns.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from lm_eval_tasks.benchmarks.rlvr.revisions import DEFAULT_REVISION, check_revision
from lm_eval_tasks.benchmarks.rlvr.scorer import judge, parse_ground_truth
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.scoring.thinking_tags import KNOWN_TAGS

MODES = ("all", "fraction")
THINK_BONUS = 0.2
OPENING, CLOSING = KNOWN_TAGS[0]


@dataclass(frozen=True, slots=True)
class Grade:
    """What one response earns.

    Attributes:
        reward: `constraint_reward + think_shaping`; 0 where the ground truth is unusable.
        constraint_reward: 0 to 1, from the constraints alone.
        think_shaping: +0.2 or -0.2 with reasoning, 0 without.
        verdicts: Function name -> share of its constraints that hold (a name may occur twice in a row).
        problem: Why nothing could be judged, or why a constraint counts as broken without a look at the text.
    """

    reward: float
    constraint_reward: float
    think_shaping: float
    verdicts: Mapping[str, float]
    problem: str | None = None


def check_mode(mode: str) -> None:
    """Check that there is such a mode.

    Raises:
        UserError: there is not.
    """
    check(mode in MODES, "reward_mode", mode, f"choose from {', '.join(MODES)}")


@lru_cache(maxsize=65536)
def read_constraints(ground_truth: str) -> tuple[Mapping[str, Any], ...]:
    """The constraints of a row: one JSON object, or a list of them.

    Raises:
        UserError: not JSON, neither object nor list, an empty list, or an unknown `func_name`.
    """
    try:
        parsed = json.loads(ground_truth)
    except (ValueError, RecursionError) as error:
        raise UserError(f"ground_truth is not readable as JSON ({error}).") from None
    constraints = parsed if isinstance(parsed, list) else [parsed]
    if not constraints:
        raise UserError("ground_truth is an empty list.")
    return tuple({"func_name": name, **arguments} for name, arguments in map(parse_ground_truth, constraints))


def final_answer(response: str, *, reasoning: bool) -> tuple[str, str | None]:
    """The text that is judged, and why there is none.

    Without reasoning it is the whole response. With reasoning it is what follows `</think>`; a response
    without that tag, or with several think blocks, has no final answer.
    """
    if not reasoning:
        return response, None if response.strip() else "empty answer"
    if response.count(CLOSING) > 1 or response.count(OPENING) > 1:
        return "", "several think blocks"
    if CLOSING not in response:
        return "", f"no {CLOSING}"
    answer = response.rpartition(CLOSING)[2].lstrip()
    if OPENING in answer:
        return "", f"{OPENING} after the last {CLOSING}"
    return answer, None if answer.strip() else f"empty answer after {CLOSING}"


def is_well_formed(response: str) -> bool:
    """Whether the response is exactly one `<think>...</think>` and, after it, an answer that is not empty."""
    _, problem = final_answer(response, reasoning=True)
    return problem is None and response.lstrip().startswith(OPENING)


def grade(
    response: object,
    ground_truth: object,
    *,
    reasoning: bool = False,
    mode: str = "all",
    revision: str = DEFAULT_REVISION,
) -> Grade:
    """Judge one response.

    Args:
        response: The assistant's raw text; anything else earns nothing.
        ground_truth: JSON text of one constraint or a list of them.
        reasoning: Judge only what follows `</think>`, and add the shaping of +0.2 or -0.2.
        mode: `all`: 1 if every constraint holds, else 0; `fraction`: the share that holds.
        revision: Whose constraint functions judge, one of `REVISIONS`.

    Raises:
        UserError: unknown `mode` or `revision`. Bad rows and bad responses do not raise.
    """
    check_mode(mode)
    check_revision(revision)
    try:
        if not isinstance(ground_truth, str):
            raise UserError(f"ground_truth must be JSON text, not {type(ground_truth).__name__}.")
        constraints = read_constraints(ground_truth)
    except UserError as error:
        return Grade(0.0, 0.0, 0.0, {}, str(error))
    text = response if isinstance(response, str) else ""
    answer, problem = final_answer(text, reasoning=reasoning)
    if text is not response:
        problem = f"the response must be text, not {type(response).__name__}"
    found = [] if problem else [judge(answer, constraint, revision) for constraint in constraints]
    rewards = [verdict.reward for verdict in found] or [0.0] * len(constraints)
    reasons = [problem, *(verdict.reason for verdict in found)]
    share = sum(rewards) / len(rewards)
    earned = share if mode == "fraction" else float(share == 1.0)
    shaping = 0.0
    if reasoning:
        shaping = THINK_BONUS if is_well_formed(text) else -THINK_BONUS
    problems = "; ".join(filter(None, reasons))
    return Grade(earned + shaping, earned, shaping, _by_function(constraints, rewards), problems or None)


def _by_function(constraints: Sequence[Mapping[str, Any]], rewards: Sequence[float]) -> dict[str, float]:
    grouped: dict[str, list[float]] = {}
    for constraint, reward in zip(constraints, rewards, strict=True):
        grouped.setdefault(constraint["func_name"], []).append(reward)
    return {name: sum(values) / len(values) for name, values in grouped.items()}


class RewardFunction(Protocol):
    """A reward function as TRL calls it."""

    __name__: str

    def __call__(
        self,
        completions: Sequence[Any],
        ground_truth: Sequence[Any],
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float]:
        """One reward per completion."""


def build_reward(
    *, reasoning: bool = False, mode: str = "all", revision: str = DEFAULT_REVISION
) -> RewardFunction:
    """The reward function of GRPO.

    Its `completions` are texts or chat messages; the data set's column `ground_truth` says what they are
    judged by. The mean of every constraint function in the batch is logged as `constraint/<func_name>`,
    the share of completions with a problem as `problem_rate`, and the problems beside the completions.

    Raises:
        UserError: unknown `mode` or `revision`.
    """
    check_mode(mode)
    check_revision(revision)

    def ifeval_reward(
        completions: Sequence[Any],
        ground_truth: Sequence[Any],
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float]:
        grades = [
            grade(completion_text(completion), truth, reasoning=reasoning, mode=mode, revision=revision)
            for completion, truth in zip(completions, ground_truth, strict=True)
        ]
        if log_metric is not None:
            for name, value in batch_metrics(grades).items():
                log_metric(name, value)
        if log_extra is not None:
            log_extra("problem", [grade.problem or "" for grade in grades])
        return [grade.reward for grade in grades]

    return ifeval_reward


def batch_metrics(grades: Sequence[Grade]) -> dict[str, float]:
    """Means over a batch: each constraint function over the grades that have it, and `problem_rate`."""
    values: dict[str, list[float]] = {}
    for one in grades:
        for name, value in one.verdicts.items():
            values.setdefault(f"constraint/{name}", []).append(value)
    means = {name: sum(found) / len(found) for name, found in sorted(values.items())}
    return means | {"problem_rate": sum(one.problem is not None for one in grades) / max(len(grades), 1)}


def completion_text(completion: object) -> object:
    """The text of a completion, which may be a text or a list of chat messages (the last one counts)."""
    if isinstance(completion, Sequence) and not isinstance(completion, str):
        if not completion or not isinstance(completion[-1], Mapping):
            return None
        return completion[-1].get("content")
    return completion
