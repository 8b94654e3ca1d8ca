"""IFBench's constraints, against verdicts that the public checkers give (docs/ifbench.md)."""

import json
import os
import random
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from lm_eval_tasks.benchmarks.ifbench import BENCHMARK, INSTRUCTION_IDS
from lm_eval_tasks.benchmarks.ifbench.syllables import count_syllables
from lm_eval_tasks.benchmarks.ifbench.text import ascii_letters, sentences, tokens
from lm_eval_tasks.benchmarks.ifbench.verbs import starts_with_verb
from lm_eval_tasks.benchmarks.ifeval.scorer import check
from lm_eval_tasks.benchmarks.ifeval.scorer.words import _all_rules
from lm_eval_tasks.episodes import same_question
from lm_eval_tasks.scoring import constraints
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL
from lm_eval_tasks.sources import open_source

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "ifbench.jsonl").read_text(encoding="utf-8").splitlines()
]


def follows(id, text, **kwargs):
    return check(text, instruction_id_list=[id], kwargs=[kwargs]).inst_level_strict[0]


@pytest.mark.parametrize("id", INSTRUCTION_IDS)
def test_verdicts(id):
    cases = [case for case in CASES if case["id"] == id]
    assert min(Counter(case["follows"] for case in cases).values()) >= 3
    for case in cases:
        assert follows(id, case["text"], **case["kwargs"]) is case["follows"], case["text"]


def test_there_are_58():
    assert len(INSTRUCTION_IDS) == 58 == len({case["id"] for case in CASES})
    assert set(INSTRUCTION_IDS) < set(constraints.known_ids())


@pytest.mark.parametrize(
    ("id", "kwargs", "text"),
    [
        ("count:conjunctions", {"small_n": 3}, "and And and,"),
        ("count:unique_word_count", {"N": 2}, "word -"),
        ("format:sub-bullets", {}, "no bullet at all"),
        ("format:list", {"sep": "-"}, "a well-known, well-worn path"),
        ("format:thesis", {}, "<em></em>"),
        ("format:quotes", {}, "'\"'x'\"'"),
        ("words:vowel", {}, "Sense the tree"),
        ("repeat:repeat_change", {"prompt_to_repeat": "Say it."}, "Say it. "),
        ("custom:date_format_list", {}, "1800-00-00"),
        ("custom:word_reverse", {}, "eagle bald x y z"),
        ("words:words_position", {"keyword": "sea"}, "A sea of sea here!"),
    ],
)
def test_defects_of_the_public_checkers_are_kept(id, kwargs, text):
    assert follows(id, text, **kwargs)


@pytest.mark.parametrize(
    ("id", "text"),
    [
        ("format:no_bullets_bullets", "One here. Two here.\n* a\n\n* b"),
        ("format:title_case", "The Lord of the Rings"),
        ("format:line_indent", "a\n\n\n b"),
        ("format:emoji", "Call 7. Press #."),
        ("words:no_consecutive", "the old, 'open door"),
    ],
)
def test_and_so_are_those_that_fail(id, text):
    assert not follows(id, text)


def test_overlap_is_of_characters():
    reference = "one two three four"
    assert follows("ratio:overlap", "one two three four", reference_text=reference, percentage=100)
    assert follows("ratio:overlap", "one", reference_text=reference, percentage=100)


def test_loose_forgives_a_preface_and_asterisks():
    verdict = check("Sure!\n**Yes**", instruction_id_list=["format:options"], kwargs=[{"options": "yes/no"}])
    assert (verdict.prompt_level_strict, verdict.prompt_level_loose) == (False, True)
    for blank in ("", " \n"):
        assert not check(blank, instruction_id_list=["format:no_whitespace"], kwargs=[{}]).prompt_level_loose


@pytest.mark.parametrize(
    "text",
    [
        "Consider the lilies.", "Take two.", "Describing it is hard.", "Is it late?", "Book a flight.",
        "Work hard.", "Planned well, it works.", "Carries on.", "Stopping now.", "Tying knots", "Went home.",
        "Don't go.", "water the plants", "Plan trips.",
    ],
)  # fmt: skip
def test_these_start_with_a_verb(text):
    assert starts_with_verb(tokens(text))


@pytest.mark.parametrize(
    "text",
    [
        "The dog barks.", "Water is wet.", "Research suggests this.", "Love of music", "Can you see?",
        "My house.", "Nothing happened.", "Sure, here it is.", "Bread, butter", "This one", "42 is it", "",
        "...", "* Go",
    ],
)  # fmt: skip
def test_these_do_not(text):
    assert not starts_with_verb(tokens(text))


def test_syllables():
    counted = {
        "cat": 1, "table": 2, "garden": 2, "the": 1, "idea": 3, "asked": 1, "business": 2, "rhythm": 1,
        "42": 0, "every": 2, "island": 2, "being": 2, "x1": 0, "zzz": 1,
    }  # fmt: skip
    assert {word: count_syllables(word) for word in counted} == counted


@pytest.mark.parametrize("unit", ["aB. ", "\n", '".', "*\n-", "Question 1", "(["])
def test_long_texts_take_time_in_proportion(unit):
    kinds = {case["id"]: case["kwargs"] for case in CASES}
    text = "a" + unit * (20_000 // len(unit))
    for id, kwargs in kinds.items():
        holds = constraints.find(id).bind(kwargs, "")
        start = time.process_time()
        holds(text)
        assert time.process_time() - start < 2, id


def test_the_sample_has_every_constraint_and_is_asked_with_ifeval_demonstrations():
    source = open_source("ifbench", data="sample")
    rows = source.evaluation()
    named = Counter(name for row in rows for name in row.reference["instruction_id_list"])
    assert set(named) == set(INSTRUCTION_IDS) and len(rows) == 64
    shown = {name for row in source.pool() for name in row.reference["instruction_id_list"]}
    assert not shown & set(named)
    assert len(source.train()) == len(open_source("ifeval", data="sample").train())
    for row in rows:
        values = BENCHMARK.score(BENCHMARK.document(row), "Sure.", NOTHING_SPECIAL)
        assert set(values) == set(BENCHMARK.metrics) and values["scorer_error"] is False


@pytest.fixture(scope="module")
def real_folder():
    folder = Path(os.environ.get("ICL_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data")
    if not (folder / "ifbench" / "test.jsonl").is_file():
        pytest.skip(f"the 300 rows of allenai/IFBench_test are not in {folder}/ifbench; set ICL_DATA_DIR")
    return folder


def test_the_real_rows_can_be_judged(real_folder):
    source = open_source("ifbench", data=str(real_folder), pool="sample")
    rows = source.evaluation()
    assert len(rows) == 300 and not source.bad_rows
    named = {name for row in rows for name in row.reference["instruction_id_list"]}
    assert named == set(INSTRUCTION_IDS)
    for row in rows:
        assert not BENCHMARK.score(BENCHMARK.document(row), "Well.", NOTHING_SPECIAL)["scorer_error"]


def test_no_row_of_the_sample_is_a_benchmark_s(real_folder):
    real = {same_question(row.question) for row in open_source("ifbench", data=str(real_folder)).evaluation()}
    assert not real & {
        same_question(row.question) for row in open_source("ifbench", data="sample").evaluation()
    }


def test_short_cuts_give_what_the_whole_text_gives():
    rng = random.Random(5)
    marks = "ae\u00e9\u0301\u0316\u0327\u00fc, \u0130\ufb01\uac01\u1100\u1161\u11a8\ufdfa\u00bd"
    words = [*"aB .!?'`\"-(),:;\n*#1/", "she ", "me ", "gimme ", ". ", "! ", "it's "]
    for _ in range(300):
        text = "".join(rng.choices(marks, k=rng.randint(0, 40)))
        whole = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
        assert ascii_letters(text) == whole
        text = "".join(rng.choices(words, k=rng.randint(0, 60)))
        assert list(tokens(text)) == [one for part in sentences(text) for one in _all_rules(part).split()]


def test_the_dictionary_comes_with_its_licence():
    path = Path(constraints.__file__).parents[2] / "benchmarks" / "ifbench" / "syllables.txt"
    notice = " ".join(path.read_text(encoding="utf-8").replace("\n# ", " ").split())
    for part in ("Copyright (c) 2018, Michael Holtzscher", "this permission notice shall be included in all",
                 'PROVIDED "AS IS"'):  # fmt: skip
        assert part in notice
