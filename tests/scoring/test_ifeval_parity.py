"""Verdicts equal those of lm-eval's checkers, seeded, on made-up responses to every prompt."""

import random

import pytest

from lm_eval_tasks.benchmarks.ifeval.scorer import INSTRUCTION_IDS, check
from lm_eval_tasks.benchmarks.ifeval.scorer.sentences import sentence_spans
from lm_eval_tasks.benchmarks.ifeval.scorer.words import count_upper_tokens

# lm-eval draws a random letter for `#` and `!`.
RANDOM_IN_REFERENCE = (1122, 1129)


def disagreements(reference, row, response):
    expected = reference(row, response)
    verdict = check(response, instruction_id_list=row["instruction_id_list"], kwargs=row["kwargs"])
    pairs = zip(
        row["instruction_id_list"],
        zip(expected["inst_level_strict_acc"], expected["inst_level_loose_acc"], strict=True),
        zip(verdict.inst_level_strict, verdict.inst_level_loose, strict=True),
        strict=True,
    )
    return [(row["key"], name, want, got, response) for name, want, got in pairs if want != got]


@pytest.mark.slow
def test_all_prompts_with_many_shapes(reference, responses, ifeval_rows):
    wrong, judged, seen = [], 0, set()
    for row in ifeval_rows:
        if row["key"] in RANDOM_IN_REFERENCE:
            continue
        rng = random.Random(row["key"])
        for response in (responses.chat_response(row, rng), *responses.odd_responses(row, rng)):
            judged += 1
            wrong += disagreements(reference, row, response)
        seen.update(row["instruction_id_list"])
    assert not wrong, wrong[:5]
    assert judged >= 5000
    assert seen == set(INSTRUCTION_IDS)


def test_languages_that_cannot_be_told_count_as_followed(reference):
    row = {
        "key": 1,
        "prompt": "",
        "instruction_id_list": ["language:response_language"],
        "kwargs": [{"language": "hi"}],
    }
    for text in ("123", "😀😀", "...", "\ud800", "x", " 7 "):
        assert not disagreements(reference, row, text)


@pytest.mark.parametrize("name", ["Section", "SECTION", "Part (A)", "(Teil|Part)", "C++", "P.S"])
def test_splitters_are_patterns_as_in_the_reference(reference, name):
    row = {
        "key": 1,
        "prompt": "",
        "instruction_id_list": ["detectable_format:multiple_sections"],
        "kwargs": [{"section_spliter": name, "num_sections": 2}],
    }
    for text in (
        f"{name} 1 a\n{name} 2 b",
        "Part 1 Teil 2",
        "Part A1 Part A2",
        "CC 1 C 2",
        "P-S 1 PxS2",
        "1 2",
    ):
        assert not disagreements(reference, row, text)


@pytest.mark.parametrize(
    "keyword",
    [
        "node.js",
        "c++",
        "what?",
        "(optional)",
        "a|b",
        r"\bcat\b",
        "[aeiou]",
        "x*",
        "^start",
        "naïve",
        "\u017f",
    ],
)
def test_keywords_are_patterns_as_in_the_reference(reference, keyword):
    names = ["keywords:existence", "keywords:frequency", "keywords:forbidden_words"]
    kwargs = [
        {"keywords": [keyword]},
        {"keyword": keyword, "frequency": 2, "relation": "at least"},
        {"forbidden_words": [keyword]},
    ]
    row = {"key": 1, "prompt": "", "instruction_id_list": names, "kwargs": kwargs}
    texts = [
        "nodexjs node.js",
        "C++ c cc",
        "what wha What?",
        "optional OPTIONAL",
        "cat concat",
        "",
        "b\nstart start",
    ]
    for text in (*texts, "NAÏVE naïve", "s S \u017f", "xylophone"):
        assert not disagreements(reference, row, text)


@pytest.mark.parametrize("marker", ["P.S.", "P.P.S", "P.P.S.", "Note:", "PS"])
def test_postscripts(reference, marker):
    row = {
        "key": 1,
        "prompt": "",
        "instruction_id_list": ["detectable_content:postscript"],
        "kwargs": [{"postscript_marker": marker}],
    }
    for text in ("a\np.s. b", "P. S. c", "p.p.s", "P. P. S d", "ps", "NOTE: e", "PPS", "P.P.S.", "x P.S.\n"):
        assert not disagreements(reference, row, text)


def test_sentences_and_capital_words_equal_nltk_on_fuzz(reference, responses):
    from nltk.tokenize import sent_tokenize, word_tokenize

    rng = random.Random(0)
    pieces = responses.SENTENCES + responses.MARKS + responses.ODD + responses.FOREIGN
    more = (
        "i.e.",
        "St. ",
        "J. Bach",
        "A.",
        "3.",
        "U.S.A. The",
        "NASA's",
        "CAN'T",
        "'TIS ",
        "GONNA",
        "A--B",
        "A,,B",
        "I'm",
    )
    for _ in range(600):
        text = rng.choice(("", " ")).join(rng.choices(pieces + more, k=rng.randint(1, 25)))
        sentences = [text[start:end] for start, end in sentence_spans(text)]
        assert sentences == sent_tokenize(text)
        expected = sum(word.isupper() for word in word_tokenize(text))
        assert sum(map(count_upper_tokens, sentences)) == expected, text
