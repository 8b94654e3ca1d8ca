"""The answer that a scorer reads in a response, for showing it beside the gold one.

Verdicts are those of the evaluation, out of the rows; nothing is judged again here.
"""

import re
from collections.abc import Mapping
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.schemas import LETTERS
from lm_eval_tasks.scoring import csqa, gsm8k, math
from lm_eval_tasks.scoring.thinking import split_thinking

_CHOICE = re.compile(rf"^([{''.join(LETTERS)}])\. (.*)$", re.MULTILINE)


def extracted(benchmark: str, row: Mapping[str, Any]) -> str | None:
    """The extracted answer of one row; None where there is none.

    Args:
        benchmark: `gsm8k`, `csqa` or `math`.
        row: A row of the evaluation's log.
    """
    response, target = row["response"], row["target"]
    # A response that never closed its thinking has no answer, whoever opened it.
    opened = bool(row.get("unclosed_think"))
    if benchmark == "math":
        return math.final_answer(split_thinking(response, opened_in_prompt=opened).answer)
    try:
        if benchmark == "gsm8k":
            return gsm8k.score(response, target, opened_in_prompt=opened).answer
        choices = [text for _, text in _CHOICE.findall(row["question"])][: len(LETTERS)]
        return csqa.score(response, target, choices, opened_in_prompt=opened).answer
    except UserError:  # a target of a later version's data: the page still shows the response
        return None
