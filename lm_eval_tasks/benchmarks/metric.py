"""What judges rows of one's own, by name: a metric of `scoring.named`, or the scorer of a benchmark.

The scorer of a benchmark (`gsm8k`, or a set of rows for rewards) reads in a row's columns what it reads in
the rows of `icl-distill score`: mostly `target`, for which the completion stands where there is none.
"""

from collections.abc import Iterator, Mapping

from lm_eval_tasks.benchmarks import BENCHMARKS, REWARD_SETS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scorefile.judging import UNKNOWN_CONSTRAINTS, Judge, Judged
from lm_eval_tasks.scorefile.records import Record
from lm_eval_tasks.scoring.named import NamedMetric, named_metric


def resolve_metric(spec: str) -> NamedMetric:
    """The metric that `spec` names.

    Args:
        spec: The name of a benchmark; or as `named_metric` takes it.

    Raises:
        UserError: no such metric, a wrong option, or a function that cannot be imported.
    """
    return named_metric(spec, _Scorers())


class _Scorers(Mapping[str, NamedMetric]):
    """The primary number of every benchmark and set of rewards, as a metric."""

    def __getitem__(self, name: str) -> NamedMetric:
        if name in BENCHMARKS:
            benchmark = BENCHMARKS[name]
            return _scorer(name, benchmark.make_judge(None), benchmark.scores[0].name)
        judge = REWARD_SETS[name].make_judge(None)
        return _scorer(name, judge, judge.metrics[0])

    def __iter__(self) -> Iterator[str]:
        yield from BENCHMARKS
        yield from REWARD_SETS

    def __len__(self) -> int:
        return len(BENCHMARKS) + len(REWARD_SETS)


def _scorer(name: str, judge: Judge, number: str) -> NamedMetric:
    def judged(reply: str, reference: Mapping[str, object]) -> Judged:
        record = Record(reply, reference, None, opened_in_prompt=False, truncated=None, response_tokens=None)
        return judge.judge(record)

    def score(reply: str, reference: Mapping[str, object]) -> float:
        total, count = judged(reply, reference).scores[number]
        return total / count

    def check(reference: Mapping[str, object]) -> None:
        found = judged("?", reference)
        if found.counts.get(UNKNOWN_CONSTRAINTS):
            raise UserError(str(found.verdict["error"]))

    return NamedMetric(name, name, True, check, score)
