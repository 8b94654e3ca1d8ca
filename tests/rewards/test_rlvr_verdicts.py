"""At least 40 texts x arguments for every RLVR function, with verdicts that do not come from a scorer.

They are in `rlvr_word_cases` and `rlvr_form_cases`, a generator per function. Most texts are put together so
that the verdict follows from how; the edges are reasoned by hand from what open-instruct's functions say,
each with its reason. Open-instruct itself is not run here.
"""

import json
import random
import runpy
from pathlib import Path

import pytest

from lm_eval_tasks.benchmarks.rlvr.functions import FUNCTIONS
from lm_eval_tasks.benchmarks.rlvr.rewards import grade
from lm_eval_tasks.benchmarks.rlvr.scorer import judge

VOCABULARY = [
    "anchor",
    "bucket",
    "cinder",
    "dolphin",
    "ember",
    "fjord",
    "glimpse",
    "hollow",
    "jigsaw",
    "kettle",
]
FILES = [runpy.run_path(str(Path(__file__).with_name(f"rlvr_{kind}_cases.py"))) for kind in ("word", "form")]
CASES = {name: file[name] for file in FILES for name in file if name in FUNCTIONS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_verdicts(name: str) -> None:
    found = list(CASES[name](random.Random(name), VOCABULARY))
    assert len({(text, json.dumps(arguments)) for text, arguments, _ in found}) >= 40
    assert {expected for *_, expected in found} == {True, False}
    for text, arguments, expected in found:
        truth = {"func_name": name, **arguments, "unused": None}
        assert judge(text, truth).reward == float(expected), (text, arguments)
        assert grade(text, json.dumps(truth)).reward == float(expected)


def test_all_functions_have_cases() -> None:
    assert set(CASES) == set(FUNCTIONS)
    assert len(FUNCTIONS) == 25
