"""MATH: competition mathematics; see README.md beside this file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.definition import ANSWER_SCORES, Benchmark
from lm_eval_tasks.benchmarks.math import scorer
from lm_eval_tasks.benchmarks.math.boxed import last_boxed
from lm_eval_tasks.benchmarks.math.rows import parse_math
from lm_eval_tasks.reading import Split
from lm_eval_tasks.scorefile.judging import AnswerJudge, Judge
from lm_eval_tasks.scoring.answers import ANSWER_METRICS, AnswerVerdict, answer_metrics
from lm_eval_tasks.scoring.metrics import FAILURE, Metrics
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.scoring.thinking import split_thinking


def _score(doc: Mapping[str, Any], response: str | None, at: Circumstances) -> Metrics:
    return answer_metrics(doc, response, scorer.judge, at=at, timed=True)


def _judged(answer: str, target: str) -> AnswerVerdict:
    # lm-eval's MATH tasks log whole solutions as targets.
    return scorer.judge(answer, last_boxed(target) or target)


def _make_judge(data: Path | None) -> Judge:
    # Of the two numbers the verified one is the usual one.
    return AnswerJudge(_judged, metrics=("flexible_acc", "strict_acc"), timed=True)


def _extract(row: Mapping[str, Any]) -> str | None:
    # A response that never closed its thinking has no answer, whoever opened it.
    opened = bool(row.get("unclosed_think"))
    return scorer.final_answer(split_thinking(row["response"], opened_in_prompt=opened).answer)


BENCHMARK = Benchmark(
    name="math",
    title="MATH",
    dataset_title="MATH-500",
    evaluation=Split("HuggingFaceH4/MATH-500", None, "test", "test.jsonl"),
    train=Split("DigitalLearningGmbH/MATH-lighteval", "default", "train", "train.jsonl"),
    num_fewshot=4,
    parse=parse_math,
    score=_score,
    metrics={**ANSWER_METRICS, "timed_out": FAILURE},
    scores=ANSWER_SCORES,
    make_judge=_make_judge,
    unrelated="csqa",
    extract=_extract,
)
