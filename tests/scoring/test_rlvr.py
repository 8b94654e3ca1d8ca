import json

import pytest

from lm_eval_tasks.benchmarks.rlvr import scorer as rlvr
from lm_eval_tasks.benchmarks.rlvr.revisions import REVISIONS
from lm_eval_tasks.errors import UserError

CASES = [
    ("verify_keywords", {"keyword_list": ["Cat", "dog"]}, "CATS and dogs", "cat"),
    ("verify_keyword_frequency", {"word": "Cat", "N": 2}, "cat, CAT cats", "cat cats"),
    ("validate_forbidden_words", {"forbidden_words": ["cat"]}, "dog", "conCATenate"),
    ("verify_letter_frequency", {"letter": "a", "N": 2}, "a A a", "A a"),
    ("verify_letter_frequency", {"letter": "a", "N": 0}, "b", "a"),
    (
        "validate_response_language",
        {"language": "de"},
        "Der Zug kommt heute leider später an.",
        "The train is late.",
    ),
    ("verify_paragraph_count", {"N": 2}, "a\n* * *\nb", "a\n***\nb"),
    ("verify_paragraph_count", {"N": 2}, " a \n  * * *  \n b", "* * *\na"),
    ("validate_word_constraint", {"N": 3, "quantifier": "at least"}, "a b c", "a b"),
    ("validate_word_constraint", {"N": 3, "quantifier": "at most"}, "a b c", "a b c d"),
    ("validate_word_constraint", {"N": 3, "quantifier": "around"}, "a b c d", "a b c d e"),
    ("validate_word_constraint", {"N": 40, "quantifier": "around"}, "a " * 44, "a " * 45),
    ("validate_word_constraint", {"N": 0, "quantifier": "at least"}, "a", None),
    ("validate_word_constraint", {"N": 3, "quantifier": "less than"}, None, "a b"),
    (
        "verify_sentence_constraint",
        {"N": 2, "quantifier": "at least"},
        "A b. C!",
        "Mr. Smith came, i.e. he did.",
    ),
    ("verify_sentence_constraint", {"N": 2, "quantifier": "at most"}, "A b. C!", "A? B! C."),
    ("verify_sentence_constraint", {"N": 2, "quantifier": "around"}, "A? B! C.", "A? B! C. D."),
    ("validate_paragraphs", {"N": 2, "first_word": "Two", "i": 2}, "One\n\n Two b", "One\n\ntwo"),
    ("validate_paragraphs", {"N": 2, "first_word": "Tw", "i": 2}, "One\n\nTwo", "One\n\nTwo\n\n"),
    ("verify_postscript", {"postscript_marker": "P.S."}, "a P.S. b", "a P.S. "),
    ("validate_placeholders", {"N": 2}, "[a] [] ", "[a\n]"),
    ("verify_bullet_points", {"N": 2}, "* a\n - b\nc", "* a"),
    ("verify_bullet_points", {"N": 1}, "**bold**", "a"),
    ("validate_title", {}, "a <<t>>", "<<\n>>"),
    ("validate_title", {}, "<<>>", "<<"),
    ("validate_choice", {"options": ["yes", "no"]}, "I say no.", "perhaps"),
    ("validate_highlighted_sections", {"N": 2}, "*a* and *b*", "*a\n*"),
    ("validate_highlighted_sections", {"N": 2}, "**a**", "*a*"),
    (
        "validate_sections",
        {"N": 2, "section_splitter": "Section"},
        "Section 1 Section 2",
        "x Section 1 Section 2",
    ),
    ("validate_json_format", {}, '{"a": 1}', "```{}```"),
    ("validate_repeat_prompt", {"original_prompt": "Say"}, "Say it", " Say it"),
    ("validate_two_responses", {}, "a******b", "a****** a"),
    ("validate_two_responses", {}, "a******", "a******b******c"),
    ("validate_uppercase", {}, "ABC 1", "AbC"),
    ("validate_lowercase", {}, "abc 1", "aBc"),
    ("validate_frequency_capital_words", {"N": 2, "quantifier": "at least"}, "A BC d", "ABc D"),
    ("validate_frequency_capital_words", {"N": 1, "quantifier": "at most"}, "A b", "A B"),
    ("validate_frequency_capital_words", {"N": 2, "quantifier": "around"}, "A B C", "A B C D"),
    ("validate_end", {"end_phrase": "Bye."}, "So. Bye.", "So. bye."),
    ("validate_quotation", {}, '"a"', '"a" '),
    ("validate_quotation", {}, '"', "'a'"),
    ("validate_no_commas", {}, "a b", "a, b"),
]


@pytest.mark.parametrize(("name", "arguments", "holds", "fails"), CASES)
def test_functions(name, arguments, holds, fails):
    for text, reward in ((holds, 1.0), (fails, 0.0)):
        if text is not None:
            assert rlvr.score(text, {"func_name": name, **arguments}) == rlvr.RlvrVerdict(reward)


REVISED = [
    # function, arguments, text, reward by main, reward by tulu3
    ("validate_placeholders", {"N": 2}, "none at all", 0, 1),
    ("validate_placeholders", {"N": "2"}, "none at all", 0, 0),
    ("validate_choice", {"options": ["yes", "no"]}, "I say no.", 1, 0),
    ("validate_choice", {"options": ["My answer is yes."]}, "answer is", 0, 1),
    ("validate_choice", {"options": ["yes", "no"]}, "yes", 1, 1),
    ("validate_choice", {"options": []}, "yes", 0, 0),
    ("validate_choice", {"options": "yes"}, "yes", 0, 0),
    ("validate_frequency_capital_words", {"N": 2, "quantifier": "around"}, "A B C", 1, 0),
    ("validate_frequency_capital_words", {"N": 20, "quantifier": "around"}, "A " * 18, 1, 0),
    ("validate_frequency_capital_words", {"N": 2, "quantifier": "around"}, "A B c", 1, 1),
    ("validate_frequency_capital_words", {"N": 2, "quantifier": "at least"}, "A B C", 1, 1),
    ("validate_frequency_capital_words", {"N": 2, "quantifier": "less than"}, "A", 0, 0),
    ("verify_sentence_constraint", {"N": 2, "quantifier": "at least"}, "Look! There.", 1, 0),
    ("verify_sentence_constraint", {"N": 1, "quantifier": "at most"}, "Look! There.", 0, 1),
    ("verify_sentence_constraint", {"N": 2, "quantifier": "at least"}, "Look? There!", 1, 1),
    ("verify_sentence_constraint", {"N": 3, "quantifier": "at least"}, "Look! Who? Me.", 1, 0),
    ("validate_no_commas", {}, "a", 1, 1),
]


@pytest.mark.parametrize(("name", "arguments", "text", "main", "tulu3"), REVISED)
def test_revisions(name, arguments, text, main, tulu3):
    truth = {"func_name": name, **arguments}
    assert rlvr.score(text, truth).reward == rlvr.score(text, truth, revision="main").reward == main
    assert rlvr.score(text, truth, revision="tulu3").reward == tulu3


def test_revisions_differ_in_four_functions():
    main, tulu3 = REVISIONS["main"], REVISIONS["tulu3"]
    assert list(main) == list(tulu3)
    assert {name for name in main if main[name] is not tulu3[name]} == {
        "validate_placeholders", "validate_choice", "validate_frequency_capital_words",
        "verify_sentence_constraint",
    }  # fmt: skip
    with pytest.raises(UserError, match=r"revision: 'tulu'.*main, tulu3"):
        rlvr.score("a", {"func_name": "validate_no_commas"}, revision="tulu")


def test_all_25_functions_are_tried():
    assert len(rlvr.FUNCTIONS) == 25
    assert {name for name, *_ in CASES} == set(rlvr.FUNCTIONS)


def test_null_arguments_are_dropped_and_json_is_read():
    truth = {"func_name": "validate_no_commas", "N": None, "quantifier": None}
    assert rlvr.score("a", json.dumps(truth)).reward == 1.0


@pytest.mark.parametrize(
    ("truth", "text", "reason"),
    [
        ({"func_name": "verify_letter_frequency", "letter": "ab", "N": 1}, "ab", "one character"),
        ({"func_name": "verify_letter_frequency", "letter": "", "N": 1}, "ab", "one character"),
        ({"func_name": "verify_letter_frequency", "letter": "a"}, "a", "'N'"),
        ({"func_name": "verify_letter_frequency", "letter": "a", "N": "1"}, "a", "whole number"),
        ({"func_name": "validate_no_commas", "N": 3}, "a", "'N'"),
        ({"func_name": "validate_response_language", "language": "de"}, "123", "language"),
        ({"func_name": "validate_paragraphs", "N": 1, "first_word": "a", "i": 2}, "a", "paragraphs 1 to 1"),
        ({"func_name": "validate_paragraphs", "N": 1, "first_word": "a", "i": 0}, "a", "paragraphs 1 to 1"),
        ({"func_name": "validate_choice", "options": "yes"}, "yes", "list of texts"),
        ({"func_name": "validate_sections", "N": 1, "section_splitter": ""}, "a", "empty"),
        ({"func_name": "validate_no_commas", "text": "b"}, "a", "text"),
        ({"func_name": "validate_no_commas"}, " ", "empty answer"),
        ({"func_name": "validate_no_commas"}, "<think>a", "empty answer"),
    ],
)
def test_what_cannot_be_judged_is_not_rewarded(truth, text, reason):
    verdict = rlvr.score(text, truth)
    assert verdict.reward == 0.0
    assert reason in verdict.reason


@pytest.mark.parametrize(
    "truth",
    ["", "{", "[]", "3", "null", {}, {"func_name": None}, {"func_name": "print"}, {"func_name": ["x"]},
     {"func_name": "__import__"}, {"func_name": "identify"}],
)  # fmt: skip
def test_unreadable_or_unknown_ground_truths_are_errors(truth):
    with pytest.raises(UserError, match=r"^rlvr: "):
        rlvr.score("a", truth)


def test_only_the_text_after_thinking_is_judged():
    truth = {"func_name": "validate_no_commas"}
    assert rlvr.score("<think>a, b</think>c", truth).reward == 1.0
    assert rlvr.score("a, b</think>c", truth).reward == 1.0
    assert rlvr.score("abc", truth, opened_in_prompt=True).reward == 0.0
