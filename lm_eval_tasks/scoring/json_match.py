"""Equal as JSON.

The whole reply must be one JSON value, behind white space and at most one code fence: a program that reads
the reply would fail on anything else. Order of keys and the spelling of numbers (3, 3.0, 3e0) do not count;
true is not 1. What a parser may read in two ways (a key given twice) and what is no JSON (NaN, Infinity) is
no match.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

_FENCE = re.compile(r"```(?:json)?[ \t]*\r?\n(?P<inside>.*?)\r?\n?[ \t]*```", re.DOTALL | re.IGNORECASE)


def json_equal(reply: str, target: str) -> bool:
    """Whether both texts are JSON of the same value; False where either is none."""
    try:
        return _marked(read_json(reply)) == _marked(read_json(target))
    except (ValueError, RecursionError):  # no JSON, or nested deeper than Python reads
        return False


def read_json(text: str) -> Any:
    """The JSON value that the text is, in a code fence or not.

    Raises:
        ValueError: it is none, or holds a key twice or a number that is not finite.
        RecursionError: it nests too deep.
    """
    text = text.strip()
    fenced = _FENCE.fullmatch(text)
    return json.loads(
        fenced["inside"] if fenced else text,
        object_pairs_hook=_object,
        parse_constant=_refused,
        parse_float=_finite,
    )


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _marked(value: Any) -> Any:
    """The value with its booleans told apart from 0 and 1, which Python holds for the same."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    return value
