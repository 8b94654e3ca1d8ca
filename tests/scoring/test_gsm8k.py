import pytest

from lm_eval_tasks.benchmarks.gsm8k import scorer as gsm8k
from lm_eval_tasks.errors import UserError

ENDINGS = [
    # response, target, strict, flexible
    ("So she has 18.\n#### 18", "18", True, True),
    ("#### 18.", "18", True, True),
    ("#### 18.00", "18", True, True),
    ("####18", "18", True, True),
    ("####  18  ", "18", True, True),
    ("#### $18", "18", True, True),
    ("#### \\$18", "18", True, True),
    ("#### $18.50", "18.5", True, True),
    ("#### £1,234", "1234", True, True),
    ("#### €18", "18", True, True),
    ("#### ₹18", "18", True, True),
    ("#### 1,080", "1080", True, True),
    ("#### 1080", "1,080", True, True),
    ("#### 1,234,567.89", "1234567.89", True, True),
    ("#### 1{,}080", "1080", True, True),
    ("#### 1\\,080", "1080", True, True),
    ("#### 50%", "50", True, True),
    ("#### 50\\%", "50", True, True),
    ("#### -5", "-5", True, True),
    ("#### \u22125", "-5", True, True),
    ("#### -$5", "-5", True, True),
    ("#### $-5", "-5", True, True),
    ("#### \u2212$1,000", "-1000", True, True),
    ("#### 0", "0", True, True),
    ("#### -0", "0", True, True),
    ("#### 007", "7", True, True),
    ("#### .5", "0.5", True, True),
    ("#### 0.50", ".5", True, True),
    ("#### 1e3", "1000", True, True),
    ("#### 18 apples", "18", True, True),
    ("#### 18 (apples)", "18", True, True),
    ("#### **18**", "18", True, True),
    ("**#### 18**", "18", True, True),
    ("#### `18`", "18", True, True),
    ("#### $18$", "18", True, True),
    ("#### \\(18\\)", "18", True, True),
    ("#### \\boxed{18}", "18", True, True),
    ("#### = 18", "18", True, True),
    ("#### 18\n", "18", True, True),
    ("#### 18</s>", "18", True, True),
    ("#### 18<|im_end|>", "18", True, True),
    ("#### 5\nNo, wait.\n#### 18", "18", True, True),
    ("<think>#### 5</think>\n#### 18", "18", True, True),
    ("reasoning 7</think>\n#### 18", "18", True, True),
    ("#### 18\nThat is for 3 days.", "18", True, True),
    ("#### 18\n####", "18", True, True),
    ("#### \u0661\u0668", "18", True, True),
    ("#### 19", "18", False, False),
    ("#### 180", "18", False, False),
    ("#### -18", "18", False, False),
    ("#### 1.8", "18", False, False),
    ("#### 3 * 6 = 18", "18", False, True),
    ("#### 9+9=18", "18", False, True),
    ("#### x = 18", "18", False, True),
    ("#### eighteen", "18", False, False),
    ("### 18", "18", False, True),
    ("The answer is 18.", "18", False, True),
    ("The answer is $18.", "18", False, True),
    ("The answer is **18**.", "18", False, True),
    ("The answer is \\boxed{18}.", "18", False, True),
    ("10-5 leaves 5", "5", False, True),
    ("so 23-5", "5", False, True),
    ("x = -5", "-5", False, True),
    ("it is (-5)", "-5", False, True),
    ("- 18", "18", False, True),
    ("She pays 1,080 dollars", "1080", False, True),
    ("3,4", "4", False, True),
    ("Total: 18.5.", "18.5", False, True),
    ("18!", "18", False, True),
    ("first 3, then 18...", "18", False, True),
    ("", "18", False, False),
    ("I cannot tell.", "18", False, False),
    ("<think>18", "18", False, False),
    ("####", "18", False, False),
]


def test_there_are_enough_endings():
    assert len(ENDINGS) >= 60


@pytest.mark.parametrize(("response", "target", "strict", "flexible"), ENDINGS)
def test_endings(response, target, strict, flexible):
    verdict = gsm8k.score(response, target)
    assert (verdict.strict, verdict.flexible) == (strict, flexible), verdict


@pytest.mark.parametrize("response", ["", "none", "<think>5", "####"])
def test_no_answer(response):
    assert gsm8k.score(response, "1").no_answer


def test_the_data_sets_answers_are_right_by_themselves():
    solution = "She earns <<12/60=0.2>>0.2 a minute.\n#### 1,010"
    assert gsm8k.score(solution, solution).strict
    assert gsm8k.score(solution, "1010").answer == "1010"


def test_a_target_without_number_is_an_error():
    with pytest.raises(UserError, match="target 'none'"):
        gsm8k.score("18", "none")
