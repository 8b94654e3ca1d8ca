import pytest

from lm_eval_tasks.benchmarks.csqa import scorer as csqa
from lm_eval_tasks.benchmarks.csqa.letters import LETTERS
from lm_eval_tasks.errors import UserError

CHOICES = ["bank", "library", "department store", "mall", "a dog"]
CASES = [
    # response, strict answer, flexible answer
    ("Answer: B", "B", "B"),
    ("answer: b", "B", "B"),
    ("**Answer:** B", "B", "B"),
    ("**Answer: (B)**", "B", "B"),
    ("Answer: B.", "B", "B"),
    ("Answer: B) library", "B", "B"),
    ("Answer: B library", "B", "B"),
    ("Answer: \\boxed{B}", "B", "B"),
    ("Answer: A\nNo.\nAnswer: B", "B", "B"),
    ("Not C. Answer: C? Answer: B", "B", "B"),
    ("Answer: A. A bank holds money", "A", "A"),
    ("<think>Answer: A</think>Answer: B", "B", "B"),
    ("Answer: A or B", None, None),
    ("Answer: A, B", None, None),
    ("Answer: A/B (B)", None, None),
    ("Answer: A and C", None, None),
    ("Answer: A dog", None, "E"),
    ("Answer: a mall", None, "D"),
    ("Answer: a bank", "A", "A"),
    ("Answer: library", None, "B"),
    ("Answer: F", None, None),
    ("Answer: Because", None, None),
    ("Answer:\nB", None, "B"),
    ("The answer is B.", None, "B"),
    ("The correct answer is: B", None, "B"),
    ("The answer is library", None, "B"),
    ("Option B is right", None, "B"),
    ("(B)", None, "B"),
    ("I choose (b).", None, "B"),
    ("(A) is wrong, (B) is right", None, None),
    ("The answer is A, no, the answer is B", None, None),
    ("The answer is A or B", None, None),
    ("B", None, "B"),
    ("b.", None, "B"),
    ("B. library", None, "B"),
    ("B: because", None, "B"),
    ("Department  Store.", None, "C"),
    ("department store", None, "C"),
    ("bank\nlibrary", None, None),
    ("A bank is a place", None, None),
    ("", None, None),
    ("It depends", None, None),
]


@pytest.mark.parametrize(("response", "strict", "flexible"), CASES)
def test_cases(response, strict, flexible):
    for letter in LETTERS:
        verdict = csqa.score(response, letter, CHOICES)
        assert (verdict.strict, verdict.flexible) == (letter == strict, letter == flexible)
        assert verdict.answer == (strict or flexible)


def test_without_choices_letters_still_count():
    assert csqa.score("Answer: B", "B").strict
    assert csqa.score("library", "B").no_answer


def test_an_article_stands_before_a_text_and_not_in_it():
    choices = ["african continent", "in a jar", "in jar", "human body", "huma body"]
    for letter, text in zip(LETTERS, choices, strict=True):
        assert csqa.score(f"The {text}.", letter, choices).flexible


@pytest.mark.parametrize("target", ["F", "", "AB", "library"])
def test_other_targets_are_errors(target):
    with pytest.raises(UserError, match="A to E"):
        csqa.score("Answer: B", target, CHOICES)
