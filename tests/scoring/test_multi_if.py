"""Multi-IF's verdicts, against those that the public checkers give, and its numbers of each turn."""

import json
import statistics
from pathlib import Path

import pytest

from lm_eval_tasks.benchmarks.ifeval.metrics import LEVELS, mean_of_levels, mean_of_levels_stderr
from lm_eval_tasks.benchmarks.ifeval.scorer import check
from lm_eval_tasks.benchmarks.multi_if import BENCHMARK
from lm_eval_tasks.benchmarks.multi_if.constraints import judged_as, reported_as
from lm_eval_tasks.benchmarks.multi_if.metrics import levels_joined
from lm_eval_tasks.scoring import constraints
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "multi_if.jsonl").read_text(encoding="utf-8").splitlines()
]
IDS = ("startend:quotation", "length_constraints:number_words", "length_constraints:number_sentences")
THAI = "วันนี้อากาศดีมาก เราไปเดินเล่นในสวนกันเถอะ"


def verdict(ids, kwargs, text):
    return check(text, instruction_id_list=judged_as(ids), kwargs=kwargs)


@pytest.mark.parametrize("id", IDS)
def test_verdicts(id):
    cases = [case for case in CASES if case["id"] == id]
    assert len(cases) >= 19 and {case["strict"] for case in cases} == {True, False}
    for case in cases:
        found = verdict([id], [case["kwargs"]], case["text"])
        assert found.inst_level_strict == (case["strict"],), case
        assert found.inst_level_loose == (case["loose"],), case


def test_some_of_them_are_other_than_ifevals():
    """Else the folder would need no constraints of its own."""
    for id in IDS:
        cases = [case for case in CASES if case["id"] == id]
        ours = [check(c["text"], instruction_id_list=[id], kwargs=[c["kwargs"]]) for c in cases]
        assert any(one.inst_level_strict != (c["strict"],) for one, c in zip(ours, cases, strict=True)), id


@pytest.mark.parametrize("relation", ["at least", "less than"])
def test_words_of_a_thai_answer_cannot_be_counted_and_fail(relation):
    words, sentences = IDS[1:]
    arguments = [{"num_words": 3, "relation": relation}, {"num_sentences": 3, "relation": relation}]
    assert verdict([words, sentences], arguments, THAI).inst_level_strict == (False, False)


def test_ids_are_those_of_the_rows():
    assert [reported_as(name) for name in judged_as([*IDS, "mine:x"])] == [*IDS, "mine:x"]
    assert set(judged_as(IDS)) <= set(constraints.known_ids())


def test_an_answer_counts_in_its_turn_alone():
    doc = {
        "benchmark": "multi_if", "id": "k/2", "prompt": "", "turn": 2, "kwargs": "[{}, {}]",
        "instruction_id_list": ["punctuation:no_comma", "startend:quotation"],
    }  # fmt: skip
    found = BENCHMARK.score(doc, "\u201cNo, no\u201d", NOTHING_SPECIAL)
    assert set(found) == set(BENCHMARK.metrics)
    assert found["turn_2_inst_level_strict_acc"] == found["inst_level_strict_acc"] == [False, True]
    assert found["turn_2_overall"] == [False, [False, True], False, [False, True]]
    assert {found[f"turn_{turn}_{level}"] for turn in (1, 3) for level in (*LEVELS, "overall")} == {None}
    parts = [("punctuation:no_comma", False), ("startend:quotation", True)]
    assert BENCHMARK.parts(doc, found) == parts
    assert BENCHMARK.score(doc, None, NOTHING_SPECIAL)["scorer_error"]


def test_overall_is_the_mean_of_the_four():
    items = [
        None,
        [True, [True], True, [True]],
        [False, [True, False, False], True, [True, True, True]],
        None,
    ]
    assert mean_of_levels(items) == statistics.fmean([1 / 2, 2 / 4, 1, 1])
    assert mean_of_levels([None]) == mean_of_levels_stderr([None]) == "N/A"
    assert levels_joined([None, None]) is None
    both = levels_joined(items)
    assert both == [[True, False], [True, True, False, False], [True, True], [True] * 4]
    assert mean_of_levels([both]) == mean_of_levels(items)
    # Of one instruction a prompt, and with strict and loose alike, it is the prompts' own standard error.
    alike = [[kept, [kept], kept, [kept]] for kept in (True, True, False, True)]
    assert mean_of_levels_stderr([*alike, None]) == pytest.approx(statistics.stdev([1, 1, 0, 1]) / 2)
