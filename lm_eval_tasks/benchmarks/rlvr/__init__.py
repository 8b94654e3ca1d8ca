"""RLVR-IFeval: rows with one checkable constraint, for rewards; they have no tasks in the harness."""

from lm_eval_tasks.benchmarks.definition import RewardSet
from lm_eval_tasks.benchmarks.rlvr.data import load_rlvr
from lm_eval_tasks.benchmarks.rlvr.judge import make_rlvr_judge
from lm_eval_tasks.benchmarks.rlvr.revisions import REVISIONS


def _questions(data: str | None) -> list[tuple[str, str]]:
    return [(row.where, row.question) for row in load_rlvr(data).train]


REWARDS = RewardSet(
    name="rlvr",
    title="RLVR-IFeval",
    questions=_questions,
    make_judge=make_rlvr_judge,
    revisions=tuple(REVISIONS),
)
