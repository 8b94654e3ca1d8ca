"""The embedded sample: schemas, sizes, and that what it claims is true."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.benchmarks.math.boxed import last_boxed
from lm_eval_tasks.episodes import same_question
from lm_eval_tasks.reading import sample_file
from lm_eval_tasks.sources import open_source
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[1]
ORDERS_DIR = ROOT / "configs" / "orders"
IFEVAL_FIELDS = {"key", "prompt", "instruction_id_list", "kwargs"}
VERDICTS = {
    "prompt_level_strict_acc", "inst_level_strict_acc", "prompt_level_loose_acc", "inst_level_loose_acc",
}  # fmt: skip
STATED = ("end_phrase", "keyword", "relation", "let_relation", "first_word", "section_spliter")
TURN_FIELDS = ("prompt", "instruction_id_list", "kwargs", "response")
DIALOGUE_FIELDS = {"key", "language"} | {f"turn_{n}_{name}" for n in (1, 2, 3) for name in TURN_FIELDS}
SPLITS = {
    "gsm8k_train": (320, {"question", "answer"}),
    "gsm8k_test": (64, {"question", "answer"}),
    "csqa_train": (100, {"id", "question", "question_concept", "choices", "answerKey"}),
    "csqa_validation": (40, {"id", "question", "question_concept", "choices", "answerKey"}),
    "math_train": (125, {"problem", "level", "type", "solution"}),
    "math_test": (50, {"problem", "level", "type", "solution", "answer"}),
    "ifeval_train": (320, IFEVAL_FIELDS | VERDICTS | {"response"}),
    "ifeval_test": (64, IFEVAL_FIELDS),
    "ifbench_test": (64, IFEVAL_FIELDS),
    "multi_if_test": (24, DIALOGUE_FIELDS),
}


def rows(name: str) -> list[dict[str, Any]]:
    benchmark, split = name.rsplit("_", 1)
    return [
        json.loads(line) for line in sample_file(benchmark, f"{split}.jsonl").read_text("utf-8").splitlines()
    ]


def value(node: ast.expr) -> Fraction:
    """Written without the generator's evaluator, so that a fault there shows here."""
    match node:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.BinOp(left, ast.Add(), right):
            return value(left) + value(right)
        case ast.BinOp(left, ast.Sub(), right):
            return value(left) - value(right)
        case ast.BinOp(left, ast.Mult(), right):
            return value(left) * value(right)
        case ast.BinOp(left, ast.Div(), right):
            return value(left) / value(right)
    raise ValueError(ast.unparse(node))


@pytest.mark.parametrize("name", SPLITS)
def test_size_and_fields(name: str) -> None:
    count, fields = SPLITS[name]
    found = rows(name)
    assert len(found) == count
    assert all(set(row) == fields for row in found)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_loader_reads_all_rows_and_no_question_occurs_twice(benchmark: str) -> None:
    train, evaluation = (
        open_source(benchmark, data="sample").train(),
        open_source(benchmark, data="sample").evaluation(),
    )
    lender = BENCHMARKS[benchmark].train.folder or benchmark
    assert len(train) == SPLITS[f"{lender}_train"][0]
    questions = [same_question(example.question) for example in (*train, *evaluation)]
    assert max(Counter(questions).values()) == 1


def test_files_are_small() -> None:
    assert sum(path.stat().st_size for path in TASK_DIR.glob("*/sample/*")) < 700_000


def test_generator_gives_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "scripts.make_sample", "--root", tmp_path],
        cwd=ROOT,
        check=True,
        timeout=PATIENCE,
    )
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    kept = [*TASK_DIR.glob("*/sample/*.jsonl"), *ORDERS_DIR.glob("*.jsonl")]
    assert len(written) == 14
    assert written == {path.relative_to(ROOT): path.read_bytes() for path in kept}


@pytest.mark.parametrize("name", ["gsm8k_train", "gsm8k_test"])
def test_gsm8k_arithmetic_is_right(name: str) -> None:
    for row in rows(name):
        steps = re.findall(r"<<([^=]+)=(\d+)>>(\d+)", row["answer"])
        assert steps
        for expression, annotated, shown in steps:
            assert value(ast.parse(expression, mode="eval").body) == int(annotated) == int(shown)
        assert row["answer"].splitlines()[-1] == f"#### {steps[-1][2]}"


@pytest.mark.parametrize("name", ["gsm8k_train", "gsm8k_test"])
def test_gsm8k_uses_the_numbers_of_its_question_and_is_short(name: str) -> None:
    for row in rows(name):
        given = {*re.findall(r"\d+", row["question"]), "2", "3"}  # twice and half, a third
        for expression, result in re.findall(r"<<([^=]+)=(\d+)>>", row["answer"]):
            assert set(re.findall(r"\d+", expression)) <= given, row
            given.add(result)
        assert len(row["question"].split()) <= 50
        assert len(row["answer"].split()) <= 45


def test_gsm8k_splits_share_no_numbers() -> None:
    train, test = (
        {tuple(re.findall(r"\d+", row["question"])) for row in rows(name)}
        for name in ("gsm8k_train", "gsm8k_test")
    )
    assert not train & test


@pytest.mark.parametrize("name", ["csqa_train", "csqa_validation"])
def test_csqa_has_five_options_and_balanced_letters(name: str) -> None:
    found = rows(name)
    for row in found:
        assert row["choices"]["label"] == list("ABCDE")
        assert len({text.lower() for text in row["choices"]["text"]}) == 5
    assert set(Counter(row["answerKey"] for row in found).values()) == {len(found) // 5}
    assert len({row["id"] for row in found}) == len(found)


def test_math_answers_are_boxed_and_of_many_kinds() -> None:
    train, test = rows("math_train"), rows("math_test")
    assert all(last_boxed(row["solution"]) == row["answer"] for row in test)
    answers = [last_boxed(row["solution"]) or "" for row in (*train, *test)]
    for kind in (r"\\frac", r"^-", r"\\sqrt", r"^\(.*\]$", r"^\(-?\d+, -?\d+\)$", r"\\pi"):
        assert any(re.search(kind, answer) for answer in answers), kind
    for split in (train, test):
        assert len({row["type"] for row in split}) >= 5
        assert all(re.fullmatch(r"Level [1-5]", row["level"]) for row in split)


@pytest.mark.parametrize(("name", "types"), [("ifeval_train", 25), ("ifeval_test", 18)])
def test_ifeval_metadata(name: str, types: int) -> None:
    found = rows(name)
    for row in found:
        assert len(row["instruction_id_list"]) == len(row["kwargs"]) <= 2
        assert not any(argument is None for kwargs in row["kwargs"] for argument in kwargs.values())
        for kwargs in row["kwargs"]:
            assert all(str(kwargs.get(field, "")) in row["prompt"] for field in STATED)
            assert row["prompt"].startswith(kwargs.get("prompt_to_repeat", ""))
    assert len({row["key"] for row in found}) == len(found)
    assert len({name for row in found for name in row["instruction_id_list"]}) >= types


def test_ifeval_responses_keep_their_constraints() -> None:
    from lm_eval_tasks.benchmarks.ifeval import scorer as ifeval

    for row in rows("ifeval_train"):
        verdict = ifeval.check(
            row["response"],
            instruction_id_list=row["instruction_id_list"],
            kwargs=row["kwargs"],
            prompt=row["prompt"],
        )
        assert verdict.prompt_level_strict, row
        assert row["prompt_level_strict_acc"] is True
        assert row["inst_level_strict_acc"] == [True] * len(row["kwargs"])


def test_ifeval_responses_are_short() -> None:
    for row in rows("ifeval_train"):
        words = len(row["response"].split())
        fixed = row["instruction_id_list"] == ["detectable_format:constrained_response"]
        assert words == 4 if fixed else 18 <= words <= 80, row
