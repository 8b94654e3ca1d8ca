"""`divergence_tokens.json`: what each answer token adds to the held-out divergence, before and after.

    rows     id of each row, and tokens: its answer's, as text
    steps    by step, for each row a list: KL(few-shot teacher || student) of each token, in nats; of step 0,
             the untrained student, and of the step whose mean is the lowest so far

Rows of long answers are many numbers, so of the other steps `divergence.json` keeps the sums alone.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval_tasks.files import write_text

FILE = "divergence_tokens.json"
_BEFORE = 0


def keep_tokens(
    path: Path,
    step: int,
    values: Sequence[Sequence[float]],
    rows: Mapping[str, Any],
    means: Mapping[str, float],
) -> None:
    """Keep a measurement if it is the first or the best.

    Args:
        path: The file.
        step: What was measured.
        values: Of each row, of each answer token.
        rows: What the file says of the rows.
        means: The mean of every step so far, this one among them.
    """
    trained = [int(name) for name in means if int(name) != _BEFORE]
    best = min(trained, key=lambda at: (means[str(at)], at), default=_BEFORE)
    if step not in (_BEFORE, best):
        return
    kept: dict[str, Any] = {}
    if step != _BEFORE and path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))["steps"]
        kept = {name: found for name, found in before.items() if int(name) == _BEFORE}
    kept[str(step)] = [[float(f"{value:.4g}") for value in row] for row in values]
    write_text(path, json.dumps({"rows": dict(rows), "steps": kept}, ensure_ascii=False) + "\n")
