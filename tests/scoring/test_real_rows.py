"""The real benchmarks' own answers, in every form that is read: right by themselves, wrong for the others."""

import json
import os
from pathlib import Path

import pytest

from lm_eval_tasks.benchmarks.csqa import scorer as csqa
from lm_eval_tasks.benchmarks.csqa.letters import LETTERS
from lm_eval_tasks.benchmarks.gsm8k import scorer as gsm8k
from lm_eval_tasks.benchmarks.math import scorer as math

NEXT = "\n\nQuestion: What is 70 + 7?\nAnswer: A\n#### 77\n\\boxed{77}"


@pytest.fixture(scope="module")
def rows():
    """`rows(path)`: a file of the folder with the real data."""
    folder = Path(os.environ.get("ICL_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data")
    if not (folder / "gsm8k" / "test.jsonl").is_file():
        pytest.skip(f"the real benchmark data are not here ({folder}); set ICL_DATA_DIR")
    return lambda path: [
        json.loads(line) for line in (folder / path).read_text(encoding="utf-8").splitlines()
    ]


@pytest.mark.parametrize(
    "form", ["{}", "{}.", "The {}", "The answer is {}.", "I'd go with the {}.", "Answer = {}"]
)
def test_the_texts_of_options(rows, form):
    found, asked = 0, 0
    for row in rows("csqa/validation.jsonl"):
        texts = dict(zip(row["choices"]["label"], row["choices"]["text"], strict=True))
        choices = [texts[letter] for letter in LETTERS]
        for letter in LETTERS if len(set(map(str.casefold, choices))) == 5 else ():
            if "the {}" in form.lower() and texts[letter].startswith(("a ", "an ", "the ")):
                continue  # nobody writes two articles
            verdict = csqa.score(form.format(texts[letter]), letter, choices)
            assert verdict.flexible or verdict.answer is None, (row["id"], texts, letter, verdict)
            found, asked = found + verdict.flexible, asked + 1
    assert found / asked > 0.99, (found, asked)


def test_the_letters_of_options(rows):
    for row in rows("csqa/validation.jsonl"):
        texts = dict(zip(row["choices"]["label"], row["choices"]["text"], strict=True))
        choices, key = [texts[letter] for letter in LETTERS], row["answerKey"]
        asked = f"Question: {row['question']}\n" + "\n".join(f"{a}. {texts[a]}" for a in LETTERS)
        for response in (f"Answer: {key}. {texts[key]}", f"{asked}\nAnswer: {key}", f"Answer: {key}{NEXT}"):
            assert csqa.score(response, key, choices).strict, (row["id"], response)
        for response in (f"It must be {key}.", f"{key} is the answer.", f"$\\boxed{{\\text{{{key}}}}}$"):
            assert csqa.score(response, key, choices).answer == key, (row["id"], response)


def test_worked_solutions(rows):
    for row in rows("gsm8k/test.jsonl"):
        gold = row["answer"]
        assert gsm8k.score(gold, gold).strict and gsm8k.score(gold + NEXT, gold).strict
        for change in ("#### Answer: ", "####\n", "#### x = "):
            assert gsm8k.score(gold.replace("#### ", change), gold).flexible, gold


def test_final_expressions(rows):
    for row in rows("math/test.jsonl"):
        for response in (f"\\boxed{{{row['answer']}}}{NEXT}", f"$\\boxed{{{row['answer']}\\ }}$"):
            assert math.score(response, row["answer"]).strict, row["answer"]
