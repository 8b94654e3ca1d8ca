"""`exact_match:ignore_case=true,ignore_punctuation=true` -> a name and its options."""

import difflib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from lm_eval_tasks.errors import UserError


def parse_options(name: str, text: str, known: Mapping[str, type]) -> dict[str, Any]:
    """The options written behind a metric's name.

    Args:
        name: The metric, for messages.
        text: `option=value` pairs, separated by commas; a value is JSON where its option is no text.
        known: The metric's options, and the type of each.

    Raises:
        UserError: an unknown option, or a value of the wrong type.
    """
    if not text:
        return {}
    # A value, such as a list of patterns, may hold commas: only a known option's name begins a new pair.
    between = rf",(?=\s*(?:{'|'.join(map(re.escape, known))})\s*=)" if known else r"\Z"
    options = {}
    for pair in re.split(between, text):
        option, equals, value = (part.strip() for part in pair.partition("="))
        if option not in known or not equals:
            raise UserError(
                f"metric {name!r}: {pair.strip()!r} is no option of it; {_choices(option, known)}."
            )
        options[option] = _value(name, option, value, known[option])
    return options


def _value(name: str, option: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        example = {bool: "true or false", float: "a number", list: 'a JSON list such as ["\\\\$", ","]'}[kind]
        raise UserError(f"metric {name!r}: option {option} is {text!r}; it must be {example}.")
    return value


def _choices(option: str, known: Collection[str]) -> str:
    if not known:
        return "it has none"
    close = difflib.get_close_matches(option, known, n=1)
    meant = f"did you mean {close[0]}=...? Its options: " if close else "write option=value, of "
    return meant + ", ".join(known)
