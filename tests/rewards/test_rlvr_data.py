import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lm_eval_tasks.benchmarks.rlvr.data import BadRow, load_rlvr, parse_row
from lm_eval_tasks.benchmarks.rlvr.functions import FUNCTIONS
from lm_eval_tasks.episodes import same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import sample_file

ROOT = Path(__file__).parents[2]
NO_COMMAS = json.dumps({"func_name": "validate_no_commas"})


def test_sample_covers_every_function_and_repeats_no_question():
    data = load_rlvr("sample")
    rows = data.train + data.evaluation
    counts = Counter(json.loads(row.ground_truth)["func_name"] for row in rows)
    assert counts == dict.fromkeys(FUNCTIONS, 6)
    assert max(Counter(same_question(row.question) for row in rows).values()) == 1
    assert (len(data.train), len(data.evaluation), data.bad_rows) == (112, 38, ())


def test_sample_has_the_columns_of_the_hub():
    for line in sample_file("rlvr", "train.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        assert {"messages", "ground_truth", "dataset", "constraint_type", "constraint"} <= set(row)
        truth = json.loads(row["ground_truth"])
        assert len(truth) == 15  # func_name and the 14 arguments, null where unused
        assert row["messages"][0]["content"].endswith(row["constraint"])


def test_environment_variable_names_the_source(monkeypatch):
    monkeypatch.setenv("ICL_DATA_DIR", "sample")
    assert load_rlvr() == load_rlvr("sample")


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("text", "JSON object"), ([1], "JSON object"), ({}, "messages"), ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"), ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "no user turn"),
        ({"messages": ["a", None]}, "no user turn"),
        ({"messages": [{"role": "user", "content": 7}]}, "must be non-empty text, not 7"),
        ({"messages": [{"role": "user", "content": " "}]}, "must be non-empty text"),
        ({"messages": [{"role": "user"}]}, "must be non-empty text, not None"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_asked(row, named):
    found = parse_row(row, "here")
    assert isinstance(found, BadRow)
    assert found.where == "here" and named in found.problem


@pytest.mark.parametrize("truth", [None, 7, "{", "[]", '{"func_name": "verify_nothing"}'])
def test_rows_that_cannot_be_graded(truth):
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    found = parse_row({"messages": messages, "ground_truth": truth}, "here")
    assert found.question == "q"
    assert "ground_truth" in found.problem


def test_first_user_message_is_the_question():
    turns = [("system", "s"), ("user", "first"), ("assistant", "a"), ("user", "second")]
    row = {"messages": [{"role": r, "content": c} for r, c in turns], "ground_truth": NO_COMMAS}
    assert parse_row(row, "here").question == "first"


def test_a_folder_without_the_file_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match=r"rlvr_ifeval holds no train\.jsonl"):
        load_rlvr(str(tmp_path))


def test_an_unreachable_hub_is_one_clear_error():
    # In a process of its own: the library reads the variable when it is imported.
    code = "from lm_eval_tasks.benchmarks.rlvr.data import load_rlvr\nload_rlvr('hub')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent"},
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("lm_eval_tasks.errors.UserError: cannot load allenai/RLVR-IFeval")
    assert "ICL_DATA_DIR" in last


def test_a_holdout_needs_two_rows(tmp_path):
    (tmp_path / "rlvr_ifeval").mkdir()
    row = {"messages": [{"role": "user", "content": "q"}], "ground_truth": NO_COMMAS}
    (tmp_path / "rlvr_ifeval/train.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError, match="needs two"):
        load_rlvr(str(tmp_path))
