"""One reply against one target text: the metrics that have a name.

Each takes the reply (never empty, thinking split off) and the row's reference, and gives a verdict. Each has
a check of a row's reference, made when the row is read: a target that no reply could ever meet is a mistake.
"""

import math
import re
import string
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.choice import LETTERS, chosen, index_of
from lm_eval_tasks.scoring.json_match import json_equal, read_json
from lm_eval_tasks.scoring.numbers import last_number

Reference = Mapping[str, Any]

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NO_DIGITS = str.maketrans("", "", string.digits)


def target_of(reference: Reference) -> str:
    """The text that a reply is compared with.

    Raises:
        UserError: the row has none.
    """
    target = reference.get("target")
    if not isinstance(target, str) or not target:
        raise UserError(
            "the row has no 'completion' to compare a reply with; add it (or a column 'target'), or score by "
            "a metric of your own that needs none (--metric module:function)."
        )
    return target


def exact_match(
    reply: str,
    reference: Reference,
    *,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    ignore_numbers: bool = False,
    regexes_to_ignore: Sequence[str] = (),
) -> bool:
    """Equal texts, as lm-evaluation-harness's `exact_match` compares them, with its options.

    White space counts. Patterns are taken out first, then case, ASCII punctuation and digits.
    """

    def plain(text: str) -> str:
        for pattern in regexes_to_ignore:
            text = re.sub(pattern, "", text)
        text = text.lower() if ignore_case else text
        text = text.translate(_NO_PUNCTUATION) if ignore_punctuation else text
        return text.translate(_NO_DIGITS) if ignore_numbers else text

    return plain(reply) == plain(target_of(reference))


def json_match(reply: str, reference: Reference) -> bool:
    """Equal as JSON; see `lm_eval_tasks.scoring.json_match`."""
    return json_equal(reply, target_of(reference))


def contains(reply: str, reference: Reference, *, ignore_case: bool = False) -> bool:
    """The target stands in the reply, as it is written."""
    target = target_of(reference)
    return target.casefold() in reply.casefold() if ignore_case else target in reply


def numeric(reply: str, reference: Reference, *, tolerance: float = 0.0) -> bool:
    """The last number of the reply is the target's last number, give or take `tolerance`."""
    found, expected = last_number(reply), last_number(target_of(reference))
    if found is None or expected is None:
        return False
    return abs(found - expected) <= Decimal(str(tolerance))


def choice(reply: str, reference: Reference) -> bool:
    """The reply names the right one of `choices`; see `lm_eval_tasks.scoring.choice`."""
    choices = reference["choices"]
    found = chosen(reply, choices)
    return found is not None and found == index_of(target_of(reference), choices)


def check_json(reference: Reference) -> None:
    """Refuse a target that is not JSON."""
    target = target_of(reference)
    try:
        read_json(target)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"json_match needs a completion that is JSON, not {target!r:.60} ({error})."
        ) from None


def check_numeric(reference: Reference) -> None:
    """Refuse a target without a number."""
    target = target_of(reference)
    if last_number(target) is None:
        raise UserError(f"numeric needs a completion that holds a number, not {target!r:.60}.")


def check_choice(reference: Reference) -> None:
    """Refuse options that cannot be told apart, and a target that is none of them."""
    target, choices = target_of(reference), reference.get("choices")
    if not choices:
        raise UserError("choice needs a column 'choices': the list of the options' texts, in letter order.")
    if not 2 <= len(choices) <= len(LETTERS):
        raise UserError(f"choice needs 2 to {len(LETTERS)} options, not {len(choices)}.")
    if index_of(target, choices) is None:
        raise UserError(f"choice: the completion {target!r:.60} names none, or not one alone, of 'choices'.")


def check_exact_options(options: Mapping[str, Any]) -> None:
    """Refuse patterns that are none."""
    for pattern in options.get("regexes_to_ignore", ()):
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise UserError(
                f"metric 'exact_match': {pattern!r} in regexes_to_ignore is no regular expression ({error})."
            ) from None


def check_numeric_options(options: Mapping[str, Any]) -> None:
    """Refuse a tolerance that is none."""
    tolerance = options.get("tolerance", 0.0)
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UserError(f"metric 'numeric': tolerance is {tolerance}; it must be 0 or more.")
