"""Metrics by name: `exact_match`, `json_match`, `contains`, `numeric`, `choice`, or `module:function`.

Options follow the name: `exact_match:ignore_case=true`, `numeric:tolerance=0.01`. A metric judges one reply
against the reference of one row, from 0 to 1, and fails closed: no reply, an empty one, one that never ended
its thinking, and one that makes the metric raise are all wrong.
"""

import difflib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring import matching
from lm_eval_tasks.scoring.metric_function import MetricFunction, as_score, import_metric
from lm_eval_tasks.scoring.metric_spec import parse_options
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances

logger = logging.getLogger(__name__)


def _nothing(_: Mapping[str, Any]) -> None:
    """No check."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a metric says of one reply.

    Attributes:
        score: 0 to 1.
        error: Why the metric could not judge, and the score is 0; None where it could.
    """

    score: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """A metric.

    Attributes:
        name: As results name it.
        spec: As it was asked for, options included.
        binary: Whether every score is 0 or 1.
        check: Raises `UserError` for a row's reference that no reply could meet.
    """

    name: str
    spec: str
    binary: bool
    check: Callable[[Mapping[str, Any]], None]
    _function: MetricFunction = field(repr=False)

    def score(
        self, reply: str | None, reference: Mapping[str, Any], *, opened_in_prompt: bool = False
    ) -> float:
        """The score of one reply, 0 to 1; see `judge`."""
        return self.judge(reply, reference, Circumstances(opens_thinking=opened_in_prompt)).score

    def judge(
        self, reply: str | None, reference: Mapping[str, Any], at: Circumstances = NOTHING_SPECIAL
    ) -> Judgement:
        """Judge one reply, and say where that fails.

        Args:
            reply: The raw reply; thinking is split off first. None: the model gave none.
            reference: The row's reference: `target`, `choices` and whatever else the row holds.
            at: How the reply came about.
        """
        if reply is None:
            return Judgement(0.0, "the model gave no text")
        answer = at.split(reply).answer
        if not answer.strip():
            return Judgement(0.0)
        try:
            return Judgement(as_score(self._function(answer, reference)))
        except Exception as error:  # whatever one row does to a metric
            logger.debug("metric %s", self.spec, exc_info=True)
            return Judgement(0.0, f"metric {self.spec!r} failed: {type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class _Known:
    function: Callable[..., bool]
    check: Callable[[Mapping[str, Any]], Any]
    options: Mapping[str, type] = field(default_factory=dict)
    check_options: Callable[[Mapping[str, Any]], None] = _nothing


_IGNORED = dict.fromkeys(("ignore_case", "ignore_punctuation", "ignore_numbers"), bool)
METRICS: Mapping[str, _Known] = {
    "exact_match": _Known(
        matching.exact_match,
        matching.target_of,
        {**_IGNORED, "regexes_to_ignore": list},
        matching.check_exact_options,
    ),
    "json_match": _Known(matching.json_match, matching.check_json),
    "contains": _Known(matching.contains, matching.target_of, {"ignore_case": bool}),
    "numeric": _Known(
        matching.numeric, matching.check_numeric, {"tolerance": float}, matching.check_numeric_options
    ),
    "choice": _Known(matching.choice, matching.check_choice),
}


def named_metric(spec: str, more: Mapping[str, NamedMetric] | None = None) -> NamedMetric:
    """The metric that `spec` names; `benchmarks.metric.resolve_metric` knows the scorers of benchmarks too.

    Args:
        spec: A name of `METRICS` with its options, or `module:function`; a function is called with the reply
            and the row's reference (a mapping: `target`, `choices`, and every further column) and returns a
            bool or a number from 0 to 1.
        more: Further metrics, which have no options.

    Raises:
        UserError: no such metric, a wrong option, or a function that cannot be imported.
    """
    more = {} if more is None else more
    name, colon, rest = spec.strip().partition(":")
    if name in METRICS:
        known = METRICS[name]
        options = parse_options(name, rest, known.options)
        known.check_options(options)
        judge = partial(known.function, **options)
        return NamedMetric(name, spec, True, known.check, judge)
    if name in more:
        parse_options(name, rest, {})
        return more[name]
    if colon and name and rest:
        function, binary = import_metric(spec.strip())
        return NamedMetric(rest.rpartition(".")[2], spec, binary, _nothing, function)
    names = [*METRICS, *more]
    close = difflib.get_close_matches(name, names, n=1)
    raise UserError(
        f"metric: there is no {spec!r}" + (f"; did you mean {close[0]!r}?" if close else ";")
        + f" Choose from {', '.join(names)}, or name a function of your own as module:function."
    )  # fmt: skip
