"""No scorer raises or takes a second, whatever the text."""

import runpy
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lm_eval_tasks.benchmarks.csqa import scorer as csqa
from lm_eval_tasks.benchmarks.csqa.letters import LETTERS
from lm_eval_tasks.benchmarks.gsm8k import scorer as gsm8k
from lm_eval_tasks.benchmarks.ifeval.scorer import INSTRUCTION_IDS, check
from lm_eval_tasks.benchmarks.math import scorer as math
from lm_eval_tasks.benchmarks.rlvr import scorer as rlvr
from lm_eval_tasks.scoring.diagnostics import flag
from lm_eval_tasks.scoring.thinking import split_thinking

hostile = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hostile.py"))))
SECOND = 1.0
CHOICES = ["bank", "library", "a dog", "the mall", "(A)"]


def scorers():
    yield from (
        lambda text, name=name, kwargs=kwargs: check(text, instruction_id_list=[name], kwargs=[kwargs])
        for name, kwargs in hostile.INSTRUCTIONS.items()
    )
    yield from (lambda text, truth=truth: rlvr.score(text, truth) for truth in hostile.GROUND_TRUTHS)
    yield lambda text: gsm8k.score(text, "18")
    yield lambda text: csqa.score(text, "B", CHOICES)
    yield lambda text: flag(text, split_thinking(text))
    # Equivalence has a time limit of its own; here an answer either is the target or is too long to compare.
    yield lambda text: math.score(text + "\\boxed{" + "x" * math.MAX_LENGTH + "y}", "5")
    yield math.final_answer


SCORERS = list(scorers())


@pytest.fixture(scope="module", autouse=True)
def warm():
    for scorer in SCORERS:
        scorer("Warm up. The models are loaded once.")


def repeated(pieces):
    """Pieces of text, each repeated so often that the whole is as long as a scorer may be given."""
    return "".join(piece * (hostile.SIZE // len(pieces) // len(piece)) for piece in pieces)


def assert_quick(text):
    for scorer in SCORERS:
        start = time.process_time()
        scorer(text)
        assert time.process_time() - start < SECOND


def test_everything_is_tried():
    assert set(hostile.INSTRUCTIONS) == set(INSTRUCTION_IDS)
    assert {truth["func_name"] for truth in hostile.GROUND_TRUTHS} == set(rlvr.FUNCTIONS)


SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW_IS_FINE)
@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_any_text(text):
    assert_quick(text)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=SLOW_IS_FINE)
@given(st.lists(st.sampled_from(hostile.UNITS), max_size=60).map("".join))
def test_text_of_marks_that_scorers_look_for(text):
    assert_quick(text)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=SLOW_IS_FINE)
@given(st.lists(st.sampled_from(hostile.UNITS), min_size=1, max_size=3).map(repeated))
def test_texts_of_100_kilobytes(text):
    assert_quick(text)


PIECES = [
    "Answer: ", "answer - ", "The answer is ", "It must be ", "I'd go with ", "B", "(B)", "<C>", "A", "bank",
    "the library", "#### ", "####\n", "#### x = ", "#### Answer: ", "18", "-18", "\u201318", "1 080",
    "2. Compute", " x 3 = ", "$", "US$", "=", "\\boxed{", "}", "\\boxed ", "\\ ", "\\le x \\le ", "[-2,7]",
    "\u221a3", "ABC", "BAC", " or ", " ", "\n", "\n\n", "Question: ", "A. bank\nB. library\n", "<think>",
    "</think>", ".", " is the answer", "not ",
]  # fmt: skip
ANSWERS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=40)


def test_what_is_strictly_right_is_flexibly_right():
    seen = Counter()

    @settings(max_examples=1000, deadline=None, derandomize=True)
    @given(ANSWERS, st.sampled_from(["", "Answer: B", "#### 18", "#### 2"]), ANSWERS)
    def holds(before, answer, after):
        text = f"{before}\n{answer}\n{after}"
        for letter in LETTERS:
            verdict = csqa.score(text, letter, CHOICES)
            assert verdict.flexible >= verdict.strict
            seen["csqa"] += verdict.strict
        for target in ("18", "-18", "1080", "15", "2"):
            verdict = gsm8k.score(text, target)
            assert verdict.flexible >= verdict.strict
            seen["gsm8k"] += verdict.strict

    holds()
    assert min(seen["csqa"], seen["gsm8k"]) > 100


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ANSWERS, st.sampled_from(["18", "ABC", "[-2,7]", "\\sqrt{3}"]))
def test_what_is_strictly_right_in_math_is_flexibly_right(text, target):
    for response in (text, f"{text}\n\\boxed{{{target}}}"):
        verdict = math.score(response, target)
        assert verdict.flexible >= verdict.strict


@pytest.mark.parametrize(
    "pieces",
    [
        (".\n", "x"),
        (" ",),
        ("\n",),
        ("*",),
        ("[",),
        ("<<",),
        ("e.g. ",),
        ("#",),
        ("#### 1",),
        ("\\boxed 1",),
        ("It is ",),
        ("a <think> ",),
        ("Question: x\n",),
    ],
)
def test_texts_crafted_against_regular_expressions(pieces):
    assert_quick(repeated(pieces))


ARGUMENTS = st.dictionaries(
    st.sampled_from(
        ["N", "quantifier", "keyword_list", "word", "letter", "i", "first_word", "options", "language"]
    ),
    st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.text(max_size=5) | st.none()),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(rlvr.FUNCTIONS)), ARGUMENTS, st.text(max_size=40))
def test_any_arguments_of_a_known_constraint(name, arguments, text):
    verdict = rlvr.score(text, {"func_name": name, **arguments})
    assert verdict.reward in (0.0, 1.0)
    assert verdict.reason is None or verdict.reward == 0.0
