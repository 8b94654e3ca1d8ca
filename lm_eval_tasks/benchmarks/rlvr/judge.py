"""RLVR-IFeval's responses in a file, judged."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.rlvr import scorer
from lm_eval_tasks.benchmarks.rlvr.revisions import DEFAULT_REVISION, check_revision
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scorefile.judging import Judge, Judged
from lm_eval_tasks.scorefile.records import Record
from lm_eval_tasks.scoring.diagnostics import flag


def make_rlvr_judge(data: Path | None, revision: str = DEFAULT_REVISION) -> Judge:
    """The judge; it needs no data, since `ground_truth` stands in the row.

    Raises:
        UserError: unknown revision.
    """
    return RlvrJudge(check_revision(revision))


class RlvrJudge:
    """See `Judge`."""

    metrics: tuple[str, ...] = ("reward",)

    def __init__(self, revision: str = DEFAULT_REVISION) -> None:
        """Judge by the functions of a revision."""
        self._revision = revision

    def judge(self, record: Record) -> Judged:
        """See `Judge`."""
        if record.fields.get("ground_truth") is None:
            raise UserError("needs a field 'ground_truth'.")
        thinking = record.thinking
        verdict = scorer.judge(thinking.answer, record.fields["ground_truth"], self._revision)
        return Judged(
            {"reward": verdict.reward, "reason": verdict.reason, "error": None},
            {"reward": (verdict.reward, 1)},
            cluster=record.cluster,
            flags=flag(record.response, thinking, truncated=record.truncated),
            response_tokens=record.response_tokens,
        )

    def failed(self, error: str) -> Judged:
        """See `Judge`."""
        return Judged({"reward": 0.0, "reason": None, "error": error}, {"reward": (0.0, 1)})

    def about_data(self) -> dict[str, Any]:
        """See `Judge`."""
        return {"revision": self._revision}

    def summarise(self, metrics: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
        """See `Judge`."""
        return {}
