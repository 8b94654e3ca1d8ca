"""What a score alone does not show: cut-off, empty, looping and answerless responses.

One call per response (`flag`), one accumulator per run (`Diagnostics`).
"""

import logging
from dataclasses import dataclass, fields
from typing import Any

from lm_eval_tasks.scoring.names import ON_COMPLETED
from lm_eval_tasks.scoring.thinking import Thinking

logger = logging.getLogger(__name__)

TRUNCATED_WARNING_RATE = 0.05
_NEEDLE = 40
_MIN_REPEATS = 4
_MIN_LOOP_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Flags:
    """What is wrong with one response, beside its score.

    Attributes:
        response_empty: The answer is blank.
        unclosed_think: The response ended while thinking.
        no_answer: No answer could be extracted, where one is.
        response_looping: The response ends in one piece repeated over and over.
        truncated: It hit the token limit; None where that is not known.
    """

    response_empty: bool
    unclosed_think: bool
    no_answer: bool
    response_looping: bool
    truncated: bool | None = None


def flag(raw: str, thinking: Thinking, *, no_answer: bool = False, truncated: bool | None = None) -> Flags:
    """The flags of one response.

    Args:
        raw: The response with its thinking.
        thinking: The same, taken apart.
        no_answer: The verdict's `no_answer`.
        truncated: Whether the response hit the token limit; None if unknown.
    """
    return Flags(
        response_empty=not thinking.answer.strip(),
        unclosed_think=thinking.unclosed,
        no_answer=no_answer,
        response_looping=is_looping(raw),
        truncated=truncated,
    )


def is_looping(text: str) -> bool:
    """Whether the text ends in one piece repeated at least four times over, 200 characters or more.

    The piece may be of any length: its own length is the distance to the previous place where the text's
    last 40 characters stand.
    """
    text = text.rstrip()
    if len(text) < _MIN_LOOP_LENGTH:
        return False
    needle_start = len(text) - _NEEDLE
    previous = text.rfind(text[needle_start:], 0, len(text) - 1)
    period = needle_start - previous
    if previous < 0:
        return False
    repeated = max(_MIN_REPEATS * period, _MIN_LOOP_LENGTH)
    return repeated <= len(text) and text[-(repeated - period) :] == text[-repeated:-period]


class Diagnostics:
    """Rates over a run.

    "Known" denominators are given beside the rates: truncation and token counts are known for some sources of
    responses only.
    """

    def __init__(self) -> None:
        self._counts = dict.fromkeys((field.name for field in fields(Flags) if field.name != "truncated"), 0)
        self._responses = 0
        self._known = self._truncated = 0
        self._completed = self._completed_score = 0.0
        self._tokens = self._token_rows = 0

    def add(self, flags: Flags, *, score: float, response_tokens: int | None = None) -> None:
        """Count one response.

        Args:
            flags: Its flags.
            score: Its main score, 0 to 1.
            response_tokens: Its length in tokens, if known.
        """
        self._responses += 1
        for name in self._counts:
            self._counts[name] += getattr(flags, name)
        if flags.truncated is not None:
            self._known += 1
            self._truncated += flags.truncated
            if not flags.truncated:
                self._completed += 1
                self._completed_score += score
        if response_tokens is not None:
            self._token_rows += 1
            self._tokens += response_tokens

    @property
    def truncated(self) -> float | None:
        """Share of responses that hit the token limit, among those where it is known."""
        return self._truncated / self._known if self._known else None

    def summary(self) -> dict[str, Any]:
        """All rates; null where nothing is known."""
        rates = {name: _share(count, self._responses) for name, count in self._counts.items()}
        return {
            "responses": self._responses,
            **rates,
            "truncated": self.truncated,
            "truncation_known": self._known,
            ON_COMPLETED: _share(self._completed_score, self._completed),
            "mean_response_tokens": _share(self._tokens, self._token_rows),
            "response_tokens_known": self._token_rows,
        }

    def warning(self) -> str | None:
        """A loud warning where more than 5% of the responses were cut off."""
        rate = self.truncated
        if rate is None or rate <= TRUNCATED_WARNING_RATE:
            return None
        return (
            f"WARNING: {rate:.1%} of the responses ({self._truncated} of {self._known}) hit the token limit "
            f"and were scored as cut off. Raise the token limit (max_gen_toks), or read {ON_COMPLETED} "
            "beside the score."
        )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
