r"""Rows of GSM8K -> episodes.

A row, as the hub has it::

    {"question": "Weng earns $12 an hour ...", "answer": "She earns <<12/60=0.2>>0.2 a minute.\n#### 10"}
"""

import re
from collections.abc import Mapping
from typing import Any

from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import text_field

_CALCULATOR = re.compile(r"<<.*?>>")
_FORMAT = (
    "\n\nSolve the problem step by step. End with the final answer on its own last line, "
    "in the form: #### <number>"
)


def parse_gsm8k(row: Mapping[str, Any], id: str, where: str) -> Episode:
    """`question`, `answer` (worked solution, last line `#### N`; calculator annotations are removed)."""
    answer = text_field(row, "answer", where)
    solution, marker, target = answer.rpartition("####")
    if not marker or not target.strip():
        raise UserError(f"{where}: field 'answer' has no final line '#### <number>': {answer[-60:]!r}.")
    worked = _CALCULATOR.sub("", solution).strip()
    target = target.strip()
    question = text_field(row, "question", where)
    return Episode(
        source="gsm8k",
        id=id,
        prompt=({"role": "user", "content": question + _FORMAT},),
        question=question,
        completion=f"{worked}\n#### {target}",
        reference={"target": target},
    )
