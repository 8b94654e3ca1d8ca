"""`repeats`: several sampled answers to a question, each judged."""

import itertools
import statistics

import pytest
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.dummy import DummyLM

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.metrics import pooled_mean
from lm_eval_tasks.scoring.repeated import best_of, over_answers, tried
from lm_eval_tasks.scoring.response import Circumstances
from tests.tasks.test_plain_text import task
from tests.tasks.test_results import IFEVAL

SAMPLED = {"until": [], "do_sample": True, "temperature": 0.7, "max_gen_toks": 8}


@pytest.mark.parametrize("values", [[0, 1, 1, 0, 0], [0.2, 0.9, 0.4], [1, 1], [0.0] * 4])
def test_the_best_of_k_is_the_mean_over_all_subsets(values):
    for k in range(1, len(values) + 1):
        subsets = [max(subset) for subset in itertools.combinations(values, k)]
        assert best_of(values, k) == pytest.approx(statistics.fmean(subsets))


def test_some_k_are_shown():
    assert [tried(n) for n in (2, 3, 4, 8, 10)] == [[2], [2, 3], [2, 4], [2, 4, 8], [2, 4, 8, 10]]


def test_metrics_are_means_and_pools_over_answers():
    ifeval, done = BENCHMARKS["ifeval"], Circumstances(truncated=False)
    answers = [ifeval.score(IFEVAL, text, done) for text in ("A cat.", "A dog.", "A, b.", "Cat")]
    found = over_answers(answers, ifeval.metrics)
    assert [one["prompt_level_strict_acc"] for one in answers] == [True, False, False, True]
    assert found["prompt_level_strict_acc"] == found["avg@4"] == 0.5
    assert found["pass@2"] == pytest.approx(1 - 1 / 6) and found["pass@4"] == 1.0
    assert found["inst_level_strict_acc"] == [v for one in answers for v in one["inst_level_strict_acc"]]
    aggregated = ifeval.metrics["strict_acc_mean"].aggregation([found["strict_acc_mean"]])
    instructions = pooled_mean([found["inst_level_strict_acc"]])
    assert aggregated == pytest.approx((0.5 + instructions) / 2)
    assert found["truncated"] == [False] * 4


class Parrot(DummyLM):
    """Answers the first question right once in four, the second never."""

    def __init__(self, right):
        super().__init__()
        self._right = right

    def generate_until(self, requests, disable_tqdm=False):
        seen: dict[int, int] = {}
        answers = []
        for request in requests:
            number = seen[request.doc_id] = seen.get(request.doc_id, -1) + 1
            answers.append(self._right if (request.doc_id, number) == (0, 2) else "no idea")
        return answers


def test_the_harness_has_every_answer_judged():
    one = task(repeats=4, generation_kwargs=SAMPLED)
    right = one.dataset["test"][0]["target"]
    found = simple_evaluate(Parrot(f"#### {right}"), tasks=[one], limit=2, bootstrap_iters=0)
    scores = found["results"]["gsm8k_icl"]
    assert scores["flexible_acc,none"] == scores["avg@4,none"] == 1 / 8
    assert (scores["pass@2,none"], scores["pass@4,none"]) == (0.25, 0.5)
    assert len(found["samples"]["gsm8k_icl"][0]["resps"][0]) == 4
    assert found["higher_is_better"]["gsm8k_icl"]["pass@4"] is True


def test_greedy_answers_and_options_are_not_repeated():
    with pytest.raises(UserError, match=r"gsm8k_icl: repeats is 3, but answers are greedy.*do_sample=true"):
        simple_evaluate(Parrot(""), tasks=[task(repeats=3)], limit=1, bootstrap_iters=0)
    with pytest.raises(UserError, match=r"csqa_icl: repeats is 2, but options are compared"):
        task("csqa", "multiple_choice", repeats=2)
    assert task(repeats=1).config.filter_list is None
