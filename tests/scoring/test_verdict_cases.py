"""Verdicts judged by hand: what models write, and near misses that must stay wrong."""

import json
from pathlib import Path

import pytest

from lm_eval_tasks.benchmarks.csqa import scorer as csqa
from lm_eval_tasks.benchmarks.csqa.letters import LETTERS
from lm_eval_tasks.benchmarks.gsm8k import scorer as gsm8k
from lm_eval_tasks.benchmarks.math import scorer as math

CHOICES = ["bank", "library", "department store", "mall", "a dog"]


def cases(name):
    path = Path(__file__).parent / "cases" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", cases("csqa"), ids=lambda case: case["response"][:40])
def test_csqa(case):
    for letter in LETTERS:
        verdict = csqa.score(case["response"], letter, CHOICES)
        assert (verdict.strict, verdict.flexible) == (letter == case["strict"], letter == case["flexible"])


@pytest.mark.parametrize(
    ("scorer", "case"),
    [(gsm8k, case) for case in cases("gsm8k")] + [(math, case) for case in cases("math")],
    ids=lambda value: value["response"][:40] if isinstance(value, dict) else value.__name__.split(".")[-2],
)
def test_gsm8k_and_math(scorer, case):
    verdict = scorer.score(case["response"], case["target"])
    assert (verdict.strict, verdict.flexible) == (case["strict"], case["flexible"]), verdict


def test_there_are_enough_of_them_right_and_wrong():
    verdicts = [bool(case["flexible"]) for name in ("csqa", "gsm8k", "math") for case in cases(name)]
    assert sum(verdicts) >= 120 and len(verdicts) - sum(verdicts) >= 60
