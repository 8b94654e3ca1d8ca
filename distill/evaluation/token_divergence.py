"""`divergence_tokens.json`: what a training measured on each answer token of its held-out rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lm_eval_tasks.errors import UserError

FILE = "divergence_tokens.json"


@dataclass(frozen=True, slots=True)
class TokenDivergence:
    """KL(teacher || student) of answer tokens, in nats, before training and at its best step.

    Attributes:
        step: The best step.
        rows: Of each row, of each answer token: its text, and the two figures.
    """

    step: int
    rows: Sequence[Sequence[tuple[str, float, float]]]


def read_token_divergence(folder: Path) -> TokenDivergence | None:
    """What was measured; None where there is no file, or nothing but the untrained model.

    Args:
        folder: The condition's.

    Raises:
        UserError: the file is not readable as JSON, or its rows do not match.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        steps = {int(step): values for step, values in content["steps"].items()}
        last = max(steps)
        if last == 0 or 0 not in steps:
            return None
        columns = zip(content["rows"]["tokens"], steps[0], steps[last], strict=True)
        return TokenDivergence(last, [list(zip(*row, strict=True)) for row in columns])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}). Remove it, or train again.") from None
