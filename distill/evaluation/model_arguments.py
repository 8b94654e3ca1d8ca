"""`--model_args` that lm-eval's model class does not take: one clear error."""

import difflib
import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lm_eval_tasks.errors import UserError

_REFUSED = re.compile(r"(unexpected|multiple values for) keyword argument '(\w+)'")


@contextmanager
def clear_refusal(kind: type, given: Mapping[str, Any]) -> Iterator[None]:
    """Around the loading of a model: what it does not know is told from its own complaint.

    lm-eval's classes hand on what they do not know, to transformers or vLLM, so no list of names is complete.

    Args:
        kind: lm-eval's model class.
        given: The arguments of `--model_args`.

    Raises:
        UserError: one of them is unknown, or set by other options.
    """
    try:
        yield
    except TypeError as error:
        found = _REFUSED.search(str(error))
        if found is None or found[2] not in given:
            raise
        name = found[2]
        if found[1] != "unexpected":
            raise UserError(
                f"--model_args {name}={given[name]}: {name} is set by the options of the command itself. "
                "Leave it out."
            ) from None
        known = [known for known in inspect.signature(kind).parameters if known not in ("args", "kwargs")]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(known)}."
        raise UserError(
            f"--model_args {name}={given[name]}: neither lm-eval's {kind.__name__} nor the model takes it; "
            f"{hint}"
        ) from None
