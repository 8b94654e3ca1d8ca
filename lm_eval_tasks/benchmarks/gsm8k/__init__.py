"""GSM8K: grade-school word problems; see README.md beside this file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.definition import ANSWER_SCORES, Benchmark
from lm_eval_tasks.benchmarks.gsm8k import scorer
from lm_eval_tasks.benchmarks.gsm8k.rows import parse_gsm8k
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import Split
from lm_eval_tasks.scorefile.judging import AnswerJudge, Judge
from lm_eval_tasks.scoring.answers import ANSWER_METRICS, answer_metrics
from lm_eval_tasks.scoring.metrics import Metrics
from lm_eval_tasks.scoring.response import Circumstances


def _score(doc: Mapping[str, Any], response: str | None, at: Circumstances) -> Metrics:
    return answer_metrics(doc, response, scorer.judge, at=at)


def _make_judge(data: Path | None) -> Judge:
    return AnswerJudge(scorer.judge)


def _extract(row: Mapping[str, Any]) -> str | None:
    # A response that never closed its thinking has no answer, whoever opened it.
    opened = bool(row.get("unclosed_think"))
    try:
        return scorer.score(row["response"], row["target"], opened_in_prompt=opened).answer
    except UserError:  # a target of a later version's data: the response is still shown
        return None


BENCHMARK = Benchmark(
    name="gsm8k",
    title="GSM8K",
    dataset_title="GSM8K",
    evaluation=Split("openai/gsm8k", "main", "test", "test.jsonl"),
    train=Split("openai/gsm8k", "main", "train", "train.jsonl"),
    num_fewshot=8,
    parse=parse_gsm8k,
    score=_score,
    metrics=ANSWER_METRICS,
    scores=ANSWER_SCORES,
    make_judge=_make_judge,
    unrelated="csqa",
    extract=_extract,
)
