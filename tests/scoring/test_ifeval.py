import json
import time

import pytest

from lm_eval_tasks.benchmarks.ifeval.scorer import INSTRUCTION_IDS, IFEvalVerdict, check
from lm_eval_tasks.benchmarks.ifeval.scorer.verdict import loose_variants
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring import json_text


def one(response, name, **kwargs):
    return check(response, instruction_id_list=[name], kwargs=[kwargs]).inst_level_strict[0]


@pytest.mark.parametrize("ids", [[], [["punctuation:no_comma"]], [None], "punctuation:no_comma", None])
def test_instructions_that_are_no_list_of_ids(ids):
    with pytest.raises(UserError, match="'instruction_id_list' must be a list of one or more ids"):
        check("a", instruction_id_list=ids, kwargs=[{}])


def test_nothing_asked_is_nothing_followed():
    nothing = IFEvalVerdict((), ())
    assert not nothing.prompt_level_strict and not nothing.prompt_level_loose


def test_there_are_25_instruction_types():
    assert len(INSTRUCTION_IDS) == 25


def test_kwargs_sparse_null_filled_or_json_say_the_same():
    names = ["keywords:frequency", "punctuation:no_comma"]
    sparse = [{"keyword": "a", "frequency": 0, "relation": "less than"}, {}]
    filled = [sparse[0] | {"num_words": None}, {"keyword": None, "frequency": None}]
    verdicts = {
        check("b", instruction_id_list=names, kwargs=kwargs)
        for kwargs in (sparse, filled, [sparse[0], None], json.dumps(filled))
    }
    assert [verdict.inst_level_strict for verdict in verdicts] == [(False, True)]


@pytest.mark.parametrize(
    ("name", "kwargs", "followed"),
    [
        ("detectable_format:number_bullet_lists", {"num_bullets": 0}, True),
        ("keywords:frequency", {"keyword": "word", "frequency": 0, "relation": "at least"}, True),
        ("keywords:frequency", {"keyword": "word", "frequency": 0, "relation": "less than"}, False),
        ("length_constraints:number_words", {"num_words": 0, "relation": "less than"}, False),
        ("length_constraints:number_sentences", {"num_sentences": 0, "relation": "at least"}, True),
        (
            "change_case:capital_word_frequency",
            {"capital_frequency": 0, "capital_relation": "at least"},
            True,
        ),
        ("detectable_content:number_placeholders", {"num_placeholders": 0}, True),
    ],
)
def test_zero_is_a_value(name, kwargs, followed):
    assert one("some word", name, **kwargs) is followed


def test_repeated_ids_are_judged_by_position():
    kwargs = [{"num_words": 2, "relation": "at least"}, {"num_words": 9, "relation": "at least"}]
    verdict = check(
        "one two three", instruction_id_list=["length_constraints:number_words"] * 2, kwargs=kwargs
    )
    assert verdict.inst_level_strict == (True, False)
    assert not verdict.prompt_level_strict


@pytest.mark.parametrize("letter", ["#", "!"])
def test_a_letter_that_is_none_is_counted_literally(letter):
    kwargs = {"letter": letter, "let_frequency": 3, "let_relation": "at least"}
    assert one(f"{letter} a {letter}{letter}", "keywords:letter_frequency", **kwargs)
    assert not one(f"{letter} a {letter}", "keywords:letter_frequency", **kwargs)


@pytest.mark.parametrize(
    ("names", "kwargs", "named"),
    [
        (["keywords:key_sentences"], [{}], "keywords:key_sentences"),
        (["nonsense"], [{}], "nonsense"),
        (["keywords:existence"], [{}], "'keywords'"),
        (["keywords:existence"], [{"keywords": None}], "'keywords'"),
        (["keywords:existence"], [{"keywords": []}], "'keywords'"),
        (["keywords:existence"], [{"keywords": "cat"}], "'keywords'"),
        (["keywords:frequency"], [{"keyword": "a", "frequency": 1}], "'relation'"),
        (["keywords:frequency"], [{"keyword": "a", "frequency": 1, "relation": "at most"}], "at most"),
        (["length_constraints:number_words"], [{"num_words": "9", "relation": "at least"}], "'num_words'"),
        (["length_constraints:number_words"], [{"num_words": -1, "relation": "at least"}], "'num_words'"),
        (["length_constraints:number_words"], [{"num_words": True, "relation": "at least"}], "'num_words'"),
        (
            ["length_constraints:number_words"],
            [{"num_words": float("nan"), "relation": "at least"}],
            "'num_words'",
        ),
        (
            ["length_constraints:number_words"],
            [{"num_words": float("inf"), "relation": "at least"}],
            "'num_words'",
        ),
        (["punctuation:no_comma"], [], "0 entries for 1"),
        (["punctuation:no_comma"], "{not json", "JSON"),
        (["punctuation:no_comma"], [3], "list of objects"),
    ],
)
def test_unusable_instructions_are_errors_that_name_them(names, kwargs, named):
    with pytest.raises(UserError, match=named.replace("'", "'")):
        check("text", instruction_id_list=names, kwargs=kwargs, prompt="Say something")


def test_whole_floats_are_counts():
    assert one("one two", "length_constraints:number_words", num_words=2.0, relation="at least")


def test_an_empty_response_follows_nothing():
    for response in ("", " \n\t"):
        verdict = check(response, instruction_id_list=["punctuation:no_comma"], kwargs=[{}])
        assert (verdict.inst_level_strict, verdict.inst_level_loose) == ((False,), (False,))


def test_loose_variants_are_the_official_eight():
    assert loose_variants(" *a*\n b\nc ") == (
        " *a*\n b\nc ", "b\nc", "*a*\n b", "b", " a\n b\nc ", "b\nc", "a\n b", "b",
    )  # fmt: skip


def test_loose_forgives_a_preface():
    verdict = check('Sure!\n"quoted"', instruction_id_list=["startend:quotation"], kwargs=[{}])
    assert (verdict.prompt_level_strict, verdict.prompt_level_loose) == (False, True)


def test_official_defect_nth_paragraph_counts_blank_pieces():
    kwargs = {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "second"}
    assert not one("First.\n\n\n\nSecond.", "length_constraints:nth_paragraph_first_word", **kwargs)


def test_a_pattern_that_does_not_compile_is_literal():
    assert one("use f( here", "keywords:existence", keywords=["f("])
    assert not one("use f here", "keywords:existence", keywords=["f("])


@pytest.mark.parametrize(
    "keyword", ["(a+)+$", "(a|aa)+b", "(.*)*x", "a*a*a*a*a*a*b", "a?" * 30 + "a" * 30 + "b"]
)
def test_hostile_patterns_end_as_not_followed(keyword):
    start = time.process_time()
    names = ["keywords:existence", "keywords:forbidden_words"]
    verdict = check(
        "a" * 5000 + "!",
        instruction_id_list=names,
        kwargs=[{"keywords": [keyword]}, {"forbidden_words": [keyword]}],
    )
    assert verdict.inst_level_strict[0] is False
    assert time.process_time() - start < 4


def test_json_verdicts_do_not_depend_on_the_stack():
    deep = "[" * 700 + "]" * 700

    def below(frames):
        return json_text.is_json(deep) if frames == 0 else below(frames - 1)

    assert below(0) and below(600)
    assert not json_text.is_json("[" * 100_000)
