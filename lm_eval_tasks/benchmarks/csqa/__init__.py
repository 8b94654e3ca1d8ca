"""CommonsenseQA: five options, one right; see README.md beside this file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.csqa import scorer
from lm_eval_tasks.benchmarks.csqa.letters import LETTERS
from lm_eval_tasks.benchmarks.csqa.rows import csqa_document, parse_csqa
from lm_eval_tasks.benchmarks.definition import ANSWER_SCORES, Benchmark
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import Split
from lm_eval_tasks.scorefile.judging import AnswerJudge, Judge
from lm_eval_tasks.scoring.answers import ANSWER_METRICS, answer_metrics
from lm_eval_tasks.scoring.metrics import Metrics
from lm_eval_tasks.scoring.response import Circumstances

_CHOICE = re.compile(rf"^([{LETTERS}])\. (.*)$", re.MULTILINE)


def _score(doc: Mapping[str, Any], response: str | None, at: Circumstances) -> Metrics:
    return answer_metrics(doc, response, scorer.judge, doc["choices"], at.begun, at=at)


def _make_judge(data: Path | None) -> Judge:
    return AnswerJudge(
        scorer.judge, more=lambda record: (_choices(record.fields.get("choices")), record.begun)
    )


def _choices(value: Any) -> list[str]:
    """The options' texts, from a list or from the hub's `{"label": [...], "text": [...]}`."""
    texts = value.get("text") if isinstance(value, Mapping) else value
    if texts is None:
        return []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UserError(f"field 'choices' must be a list of texts, not {value!r:.60}.")
    return texts


def _extract(row: Mapping[str, Any]) -> str | None:
    # The log has the options as the prompt showed them.
    choices = [text for _, text in _CHOICE.findall(row["question"])][: len(LETTERS)]
    # A response that never closed its thinking has no answer, whoever opened it.
    opened = bool(row.get("unclosed_think"))
    try:
        return scorer.score(row["response"], row["target"], choices, opened_in_prompt=opened).answer
    except UserError:  # a target of a later version's data: the response is still shown
        return None


BENCHMARK = Benchmark(
    name="csqa",
    title="CSQA",
    dataset_title="CommonsenseQA",
    # The test split has no labels.
    evaluation=Split("tau/commonsense_qa", None, "validation", "validation.jsonl"),
    train=Split("tau/commonsense_qa", None, "train", "train.jsonl"),
    num_fewshot=5,
    parse=parse_csqa,
    score=_score,
    metrics=ANSWER_METRICS,
    scores=ANSWER_SCORES,
    make_judge=_make_judge,
    retention="csqa_icl_mc",
    unrelated="gsm8k",
    document=csqa_document,
    extract=_extract,
)
