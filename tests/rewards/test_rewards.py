import json

import pytest

from lm_eval_tasks.benchmarks.rlvr.data import load_rlvr
from lm_eval_tasks.benchmarks.rlvr.rewards import build_reward, completion_text, final_answer, grade
from lm_eval_tasks.errors import UserError

NO_COMMAS = json.dumps({"func_name": "validate_no_commas", "N": None})
LOWER = json.dumps({"func_name": "validate_lowercase"})
THREE = f"[{NO_COMMAS}, {LOWER}, {NO_COMMAS}]"


@pytest.fixture(scope="module")
def sample():
    data = load_rlvr("sample")
    return data.train + data.evaluation


def test_every_sample_response_earns_as_it_was_written(sample):
    for row in sample:
        assert grade(row.satisfying, row.ground_truth).reward == 1.0, row.where
        assert grade(row.violating, row.ground_truth).reward == 0.0, row.where
        thought = "<think>Well, then.</think>\n"
        assert grade(thought + row.satisfying, row.ground_truth, reasoning=True).reward == pytest.approx(1.2)
        assert grade(thought + row.violating, row.ground_truth, reasoning=True).reward == pytest.approx(0.2)


def test_no_function_pays_for_an_empty_answer(sample):
    for row in sample:
        for empty in ("", " \n\t"):
            assert grade(empty, row.ground_truth).reward == 0.0
            for response in (empty, f"<think>a</think>{empty}", "<think>a"):
                found = grade(response, row.ground_truth, reasoning=True)
                assert (found.constraint_reward, found.reward) == (0.0, -0.2)


@pytest.mark.parametrize(
    ("response", "all_of_them", "fraction"),
    [
        ("no comma", 1.0, 1.0),
        ("No Comma", 0.0, 2 / 3),
        ("a, b", 0.0, 1 / 3),
        ("A, B", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_modes(response, all_of_them, fraction):
    assert grade(response, THREE).reward == all_of_them
    assert grade(response, THREE, mode="fraction").reward == pytest.approx(fraction)


def test_verdicts_are_shares_by_function():
    found = grade("a, b", f"[{NO_COMMAS}, {LOWER}]")
    assert found.verdicts == {"validate_no_commas": 0.0, "validate_lowercase": 1.0}


@pytest.mark.parametrize(
    "truth",
    [
        "", "{", "null", "7", '"text"', "[]", "[7]", "{}", '{"func_name": null}', '{"func_name": "eval"}',
        "[" * 100_000, None, 7, {},
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
@pytest.mark.parametrize("reasoning", [False, True])
def test_unusable_ground_truth_is_recorded_and_never_earns(truth, reasoning):
    found = grade("<think>a</think>fine", truth, reasoning=reasoning)
    assert found.reward == found.constraint_reward == found.think_shaping == 0.0
    assert found.problem


@pytest.mark.parametrize("response", [None, 7, ["a"], {"content": "a"}], ids=repr)
def test_a_response_that_is_no_text_is_recorded_and_never_earns(response):
    found = grade(response, NO_COMMAS)
    assert found.reward == 0.0
    assert "must be text" in found.problem
    assert grade(response, NO_COMMAS, reasoning=True).reward == -0.2


def test_an_unusable_argument_is_recorded():
    found = grade("aa", json.dumps({"func_name": "verify_letter_frequency", "letter": "aa", "N": 1}))
    assert (found.reward, "letter" in found.problem) == (0.0, True)


def test_unknown_mode_names_the_choices():
    for call in (lambda: grade("a", NO_COMMAS, mode="most"), lambda: build_reward(mode="most")):
        with pytest.raises(UserError, match=r"'most'.*all, fraction"):
            call()


def test_final_answer_keeps_what_follows_the_block():
    assert final_answer("<think>a</think>\n\nb\n", reasoning=True) == ("b\n", None)
    assert final_answer("<think>a</think>b", reasoning=False) == ("<think>a</think>b", None)


def test_reward_function_as_trl_calls_it():
    logged, extra = {}, {}
    reward = build_reward()
    messages = [{"role": "assistant", "content": "a, b"}]
    rewards = reward(
        prompts=["p"] * 4,
        completions=["no comma", messages, [], "No"],
        ground_truth=[NO_COMMAS, NO_COMMAS, NO_COMMAS, "{"],
        completion_ids=[[1]] * 4,
        trainer_state=None,
        log_metric=logged.__setitem__,
        log_extra=extra.__setitem__,
    )
    assert rewards == [1.0, 0.0, 0.0, 0.0]
    assert logged == {"constraint/validate_no_commas": pytest.approx(1 / 3), "problem_rate": 0.5}
    assert [bool(problem) for problem in extra["problem"]] == [False, False, True, True]


def test_the_reward_follows_a_revision():
    truth = json.dumps({"func_name": "validate_choice", "options": ["yes", "no"]})
    call = {"completions": ["I say no.", "no"], "ground_truth": [truth] * 2}
    assert build_reward()(**call) == build_reward(revision="main")(**call) == [1.0, 1.0]
    assert build_reward(revision="tulu3")(**call) == [0.0, 1.0]
    for wrong in (lambda: build_reward(revision="2024"), lambda: grade("a", truth, revision="2024")):
        with pytest.raises(UserError, match="revision: '2024'"):
            wrong()


def test_completion_text():
    assert completion_text([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]) == "a"
    assert completion_text("a") == "a"
    assert completion_text([]) is completion_text(["a"]) is None
