import json
import subprocess
import sys
from dataclasses import replace

import pytest

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.benchmarks.csqa.rows import parse_csqa
from lm_eval_tasks.benchmarks.gsm8k.rows import parse_gsm8k
from lm_eval_tasks.benchmarks.ifeval.rows import parse_ifeval
from lm_eval_tasks.benchmarks.math.rows import parse_math
from lm_eval_tasks.episodes import Episode, fingerprint
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import resolve_source
from lm_eval_tasks.sources import open_source
from lm_eval_tasks.sources.benchmark import BenchmarkSource

HALF = {"target": "\\frac{1}{2}"}
GSM8K = {"question": "2 cats have how many legs?", "answer": "2*4=<<2*4=8>>8 legs.\n#### 8"}


def write_rows(folder, benchmark, file, rows):
    (folder / benchmark).mkdir(parents=True, exist_ok=True)
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    (folder / benchmark / file).write_text(text, encoding="utf-8")
    return str(folder)


def test_importing_the_tasks_leaves_torch_out():
    modules = "lm_eval_tasks.sources.benchmark, lm_eval_tasks.prompting.demonstrations"
    code = f"import {modules}, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_the_sample_serves_every_benchmark(benchmark):
    train, evaluation = (
        open_source(benchmark, data="sample").train(),
        open_source(benchmark, data="sample").evaluation(),
    )
    assert len(train) >= 64 and len(evaluation) >= 32
    assert all(example.completion for example in train)
    assert fingerprint(train) != fingerprint(train[1:])


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Two?"}, {"question": "Two?"}, {"completion": "3"}, {"reference": {"target": "3"}},
        {"teacher_prompt": "Think. One?"}, {"privileged": "a hint"}, {"tools": ({"name": "sum"},)},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_fingerprint_is_of_all_that_a_row_says(change):
    row = Episode("mine", "0", "One?", "One?", "2", {"target": "2"})
    assert fingerprint([row]) == fingerprint([replace(row, id="1")])
    assert fingerprint([row]) != fingerprint([replace(row, **change)])


def test_gsm8k_loses_its_calculator_annotations():
    example = parse_gsm8k(GSM8K, "0", "here")
    assert example.completion == "2*4=8 legs.\n#### 8"
    assert example.reference == {"target": "8"}


def test_csqa_choices_follow_the_letters():
    row = {
        "question": "Where is a cat?",
        "choices": {"label": ["B", "A", "C", "D", "E"], "text": ["sea", "mat", "sky", "sun", "pan"]},
        "answerKey": "A",
    }
    example = parse_csqa(row, "0", "here")
    assert example.reference == {"target": "A", "choices": ["mat", "sea", "sky", "sun", "pan"]}
    assert example.stratum == "A"
    assert example.completion == "Answer: A"


def test_math_takes_the_answer_of_either_schema():
    assert parse_math({"problem": "x?", "answer": "\\frac{1}{2}"}, "0", "here").reference == HALF
    solved = parse_math(
        {"problem": "x?", "solution": "So \\boxed{1} no, \\boxed{\\frac{1}{2}}."}, "0", "here"
    )
    assert solved.reference == HALF


@pytest.mark.parametrize(
    "kwargs",
    [
        [{"num_words": 0, "relation": None, "capital": False}],
        '[{"num_words": 0, "relation": null, "capital": false}]',
    ],
)
def test_ifeval_kwargs_keep_zero_and_false_and_drop_null(kwargs):
    row = {"key": 7, "prompt": "Write.", "instruction_id_list": ["a:b"], "kwargs": kwargs}
    example = parse_ifeval(row, "0", "here")
    assert json.loads(example.reference["kwargs"]) == [{"num_words": 0, "capital": False}]
    assert example.id == "7"


def test_ifeval_training_rows_are_the_compliant_ones(tmp_path):
    row = {"prompt": "Write.", "response": "Yes.", "instruction_id_list": ["a:b"], "kwargs": [{}]}
    good, bad = row | {"prompt_level_strict_acc": True}, row | {"prompt_level_strict_acc": False}
    data = write_rows(tmp_path, "ifeval", "train.jsonl", [bad, good, bad])
    assert len(BenchmarkSource("ifeval", data).all_train) == 1


@pytest.mark.parametrize(
    ("benchmark", "row", "words"),
    [
        ("gsm8k", {"question": "x?"}, "'answer'"),
        ("gsm8k", {"question": "x?", "answer": "seven"}, "####"),
        ("gsm8k", {"question": 3, "answer": "#### 3"}, "'question'"),
        ("gsm8k", "{oops", "not JSON"),
        ("gsm8k", "[1]", "JSON object"),
        ("math", {"problem": "x?", "solution": "no box"}, "'answer'"),
        ("math", {"problem": "x?", "solution": "So \\boxed{}."}, "'answer'"),
        ("math", {"problem": "x?", "answer": " "}, "'answer'"),
        ("gsm8k", '{"question": ' + "[" * 100_000, "nests too deep"),
        ("ifeval", {"prompt": "p", "instruction_id_list": [], "kwargs": []}, "'instruction_id_list'"),
        ("ifeval", {"prompt": "p", "instruction_id_list": [["a"]], "kwargs": [{}]}, "'instruction_id_list'"),
        ("ifeval", {"prompt": "p", "instruction_id_list": ["a"], "kwargs": []}, "0 entries for 1"),
        ("ifeval", {"prompt": "p", "instruction_id_list": "a", "kwargs": []}, "'instruction_id_list'"),
        ("ifeval", {"prompt": "p", "instruction_id_list": ["a"], "kwargs": "{"}, "'kwargs'"),
    ],
)
def test_a_malformed_row_is_recorded_and_left_out(tmp_path, benchmark, row, words, caplog):
    file = BENCHMARKS[benchmark].evaluation.file
    good = {
        "gsm8k": GSM8K,
        "math": {"problem": "x?", "answer": "1"},
        "ifeval": {"prompt": "p", "instruction_id_list": ["a"], "kwargs": [{}]},
    }[benchmark]
    source = open_source(
        benchmark, data=write_rows(tmp_path, benchmark, file, [good, row, good | {"key": 8}])
    )
    assert len(source.evaluation()) == 2
    (bad,) = source.bad_rows
    assert bad.where.endswith(f"{file} line 2") and words in bad.problem and "line 2" not in bad.problem
    assert f"{file} line 2 cannot be used: " in caplog.text
    assert f"{benchmark} evaluation: 1 of 3 rows cannot be used." in caplog.text
    alone = open_source(benchmark, data=write_rows(tmp_path / "alone", benchmark, file, [row]))
    with pytest.raises(UserError, match="no usable row; the first problem is") as caught:
        alone.evaluation()
    assert f"{file} line 1" in str(caught.value) and words in str(caught.value)


def test_a_training_row_without_an_answer_is_recorded(tmp_path):
    rows = [{"problem": "x?", "answer": "1"}, {"problem": "y?", "solution": "So $\\boxed 2$."}]
    write_rows(tmp_path, "math", "test.jsonl", [{"problem": "z?", "answer": "1"}])
    source = BenchmarkSource("math", write_rows(tmp_path, "math", "train.jsonl", rows))
    assert [row.reference["target"] for row in source.train()] == ["2"]
    assert "a training row needs an answer" in source.bad_rows[0].problem


def test_a_missing_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(UserError, match=r"csqa.validation\.jsonl"):
        open_source("csqa", data=str(tmp_path)).evaluation()


@pytest.mark.parametrize("name", ["gsm9k", "lm_eval:no_such_task_anywhere"])
def test_what_cannot_be_opened_is_named(name):
    with pytest.raises(UserError, match=name.removeprefix("lm_eval:")):
        open_source(name)


def test_training_rows_and_pool_are_never_evaluated(tmp_path, caplog):
    rows = [GSM8K | {"question": f"{n} cats have how many legs?"} for n in range(4)]
    write_rows(tmp_path, "gsm8k", "train.jsonl", rows)
    source = BenchmarkSource("gsm8k", write_rows(tmp_path, "gsm8k", "test.jsonl", rows[1:2]))
    assert [row.id for row in source.train()] == [row.id for row in source.pool()] == ["0", "2", "3"]
    assert len(source.all_train) == 4
    assert "1 rows of the demonstrations' pool are evaluated" in caplog.text


def test_the_folder_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ICL_DATA_DIR", str(tmp_path))
    assert resolve_source(None) == str(tmp_path)
    assert resolve_source("sample") == "sample"
    monkeypatch.delenv("ICL_DATA_DIR")
    assert resolve_source(None) == "hub"


def test_a_folder_without_training_rows_lends_no_demonstrations(tmp_path):
    data = write_rows(tmp_path, "gsm8k", "test.jsonl", [GSM8K])
    source = BenchmarkSource("gsm8k", data)
    assert len(source.evaluation()) == 1
    with pytest.raises(UserError, match=r"train\.jsonl does not exist.*--pool sample"):
        source.pool()
    asked = BenchmarkSource("gsm8k", data, pool="sample")
    assert asked.pool_data == "sample" and asked.pool() == open_source("gsm8k", data="sample").train()


def test_an_unreachable_hub_is_one_clear_error(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code = (
        "from lm_eval_tasks.sources import open_source\n"
        "from lm_eval_tasks.errors import UserError\n"
        "try:\n    open_source('gsm8k', data='hub').train()\n"
        "except UserError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # datasets words a refused connection alike, after half a minute of trying.
    assert done.stdout.startswith("cannot load openai/gsm8k from the Hugging Face hub (Couldn't reach ")
    assert "ICL_DATA_DIR" in done.stdout and "'sample'" in done.stdout


def test_the_shared_copies_load(shared_data):
    assert len(open_source("ifeval", data=shared_data).evaluation()) == 541
    assert len(open_source("csqa", data=shared_data).evaluation()) == 1221
    assert len(open_source("math", data=shared_data).evaluation()) == 500
    assert len(open_source("gsm8k", data=shared_data).train()) == 7473
