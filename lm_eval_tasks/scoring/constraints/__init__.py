"""Constraints that a program can check, by id: this package's, installed packages' and one's own.

A constraint is a function from an answer's text to whether it holds, or a checker class in the shape of
Google's IFEval (`build_description`, `check_following`). One file adds one::

    from lm_eval_tasks import constraint

    @constraint("mine:lines")
    def lines(text: str, *, n: int) -> bool:
        return len(text.splitlines()) == n

A row names it in `instruction_id_list` (IFEval, IFBench) or as `func_name` (RLVR), with its arguments:
`{"n": 3}`. Where constraints are looked for, and which comes first: `find`.
"""

from lm_eval_tasks.scoring.constraints.definition import Constraint, UnknownConstraintError
from lm_eval_tasks.scoring.constraints.loading import find, is_replaced, known_ids, record
from lm_eval_tasks.scoring.constraints.registry import constraint

__all__ = ["Constraint", "UnknownConstraintError", "constraint", "find", "is_replaced", "known_ids", "record"]
