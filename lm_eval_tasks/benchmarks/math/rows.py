"""Rows of MATH -> episodes."""

from collections.abc import Mapping
from typing import Any

from lm_eval_tasks.benchmarks.math.boxed import last_boxed
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import text_field

_FORMAT = "\n\nSolve the problem step by step. Put the final answer in \\boxed{}."


def parse_math(row: Mapping[str, Any], id: str, where: str) -> Episode:
    r"""`problem` and `solution` with a final \boxed{}; or `problem` and `answer` (MATH-500)."""
    solution = text_field(row, "solution", where) if row.get("solution") is not None else None
    if row.get("answer") is not None:
        target: str | None = text_field(row, "answer", where)
    else:
        target = last_boxed(solution) if solution is not None else None
    if not target:
        raise UserError(
            f"{where}: needs a field 'answer', or a field 'solution' whose last \\boxed{{}} holds the answer."
        )
    question = text_field(row, "problem", where)
    return Episode(
        source="math",
        id=id,
        prompt=({"role": "user", "content": question + _FORMAT},),
        question=question,
        completion=solution,
        reference={"target": target},
    )
