"""Dialogues of Multi-IF: the hub's schema, a question for each turn, responses in a file."""

import json
import re

import pytest

from distill.cli import main
from lm_eval_tasks.benchmarks.ifeval.scorer import check
from lm_eval_tasks.benchmarks.multi_if import BENCHMARK
from lm_eval_tasks.benchmarks.multi_if.constraints import judged_as
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.measured import judged
from lm_eval_tasks.reading import sample_file
from lm_eval_tasks.sources import open_source

SAMPLE = sample_file("multi_if", "test.jsonl")
ROWS = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]


def parse(row):
    turns = BENCHMARK.turns(row)
    return [BENCHMARK.parse(turn, str(place), "f line 1") for place, turn in enumerate(turns)]


def test_recorded_answers_of_the_sample_keep_all_constraints_so_far():
    for row in ROWS:
        told = [one.reference for one in parse(row)]
        for turn, one in enumerate(told, start=1):
            ids = one["instruction_id_list"]
            assert len(ids) == turn and ids[:-1] == told[turn - 2]["instruction_id_list"][: turn - 1]
            assert json.loads(one["kwargs"])[: turn - 1] == json.loads(told[turn - 2]["kwargs"])[: turn - 1]
            text = row[f"turn_{turn}_response"]
            verdict = check(text, instruction_id_list=judged_as(ids), kwargs=one["kwargs"])
            assert verdict.prompt_level_strict, (row["key"], turn)
    kinds = {name for row in ROWS for name in json.loads(row["turn_3_instruction_id_list"])}
    assert len(ROWS) == 24 and len(kinds) >= 15


def test_a_question_for_each_turn():
    first, second, third = parse(ROWS[0])
    assert [one.id for one in (first, second, third)] == [f"{ROWS[0]['key']}/{turn}" for turn in (1, 2, 3)]
    assert [len(one.prompt) for one in (first, second, third)] == [1, 3, 5]
    assert third.prompt[:3] == second.prompt and third.prompt[3]["content"] == ROWS[0]["turn_2_response"]
    assert third.question.startswith(second.question) and third.completion is None


@pytest.mark.parametrize("absent", ["None", "", None])
def test_a_dialogue_may_be_shorter(absent):
    names = ("prompt", "instruction_id_list", "kwargs")
    assert len(parse(ROWS[0] | {f"turn_3_{name}": absent for name in names})) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"turn_2_prompt": "{"}, "f line 1 turn 2: field 'turn_2_prompt' is not readable as JSON"),
        (
            {"turn_2_prompt": '{"role": "system", "content": "x"}'},
            "turn_2_prompt' must be a message of the user",
        ),
        ({"turn_2_kwargs": '["{"]'}, "turn 2: field 'turn_2_kwargs' is not readable as JSON"),
        ({"turn_2_kwargs": "[]"}, "turn 2: field 'kwargs' has 0 entries for 2 instructions"),
        ({"turn_2_instruction_id_list": "None"}, "'turn_2_instruction_id_list' is not readable as JSON"),
        ({"turn_1_response": 7}, "turn 2: field 'turn_1_response' must be text, or null"),
        ({"key": None}, "turn 1: field 'key' must be the dialogue's name"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(UserError) as error:
        parse(ROWS[0] | change)
    assert message in str(error.value)


def test_a_bad_turn_leaves_the_others(tmp_path):
    folder = tmp_path / "multi_if"
    folder.mkdir()
    (folder / "test.jsonl").write_text(
        json.dumps(ROWS[0] | {"turn_3_kwargs": "x"}) + "\n" + json.dumps({"a": 1})
    )
    source = open_source("multi_if", data=str(tmp_path))
    assert [one.reference["turn"] for one in source.evaluation()] == [1, 2]
    assert len(source.bad_rows) == 2


def test_training_rows_are_single_turns_and_can_be_judged():
    source = open_source("multi_if", data="sample")
    row = source.train()[0]
    assert row.reference["turn"] == 1 and len(row.prompt) == 1 and row.completion
    assert judged(source, row, row.completion) == 1.0


def score(tmp_path, rows, *arguments):
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    files = [
        "--responses",
        tmp_path / "r.jsonl",
        "--output",
        tmp_path / "o.json",
        "--verdicts",
        tmp_path / "v.jsonl",
    ]
    code = main(["score", "--task", "multi_if", *map(str, files), *map(str, arguments)])
    found = json.loads((tmp_path / "o.json").read_text()) if code == 0 else None
    return code, found, [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]


def test_responses_are_scored_by_turn(tmp_path, capsys):
    rows = [
        {"key": row["key"], "turn": turn, "response": row[f"turn_{turn}_response"] if turn < 3 else " "}
        for row in ROWS
        for turn in (1, 2, 3)
    ]
    code, found, verdicts = score(tmp_path, rows, "--data", SAMPLE)
    assert code == 0 and len(verdicts) == 72
    assert verdicts[1] == {
        "row": 1, "key": ROWS[0]["key"], "turn": 2, "inst_level_strict": [True, True],
        "inst_level_loose": [True, True], "prompt_level_strict": True, "prompt_level_loose": True,
        "error": None,
    }  # fmt: skip
    assert [found[f"turn_{turn}_overall"] for turn in (1, 2, 3)] == [1.0, 1.0, 0.0]
    assert found["metrics"]["turn_2_inst_level_strict_acc"]["count"] == "48/48"
    pooled = found["metrics"]["prompt_level_strict_acc"]
    assert pooled["count"] == "48/72" and pooled["clusters"] == 24, "a dialogue is a cluster"
    assert "startend:quotation" in found["per_instruction_type"]
    assert re.search(r"^turn_1_overall +100\.00%$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"key": "40000:1:en", "turn": 4}, "field 'turn' must be 1, 2 or 3, not 4"),
        ({"key": "40000:1:en"}, "field 'turn' must be 1, 2 or 3, not None"),
        ({"key": "nobody", "turn": 1}, "'nobody/1' is no turn of the data"),
        ({"turn": 1}, "needs a field 'key'"),
        (
            {"key": "k", "turn": 1, "instruction_id_list": "x", "kwargs": []},
            "must be a list of one or more ids",
        ),
    ],
)
def test_a_malformed_row_ends_it(tmp_path, capsys, row, message):
    code, _, verdicts = score(tmp_path, [row | {"response": "x"}], "--data", SAMPLE)
    assert code == 2 and message in capsys.readouterr().err
    assert verdicts[0]["turn"] is None and verdicts[0]["prompt_level_strict"] is False


def test_rows_of_an_evaluations_log_need_no_data(tmp_path, monkeypatch):
    monkeypatch.delenv("ICL_DATA_DIR", raising=False)
    source = open_source("multi_if", data="sample")
    doc = source.document(source.evaluation()[4])
    log = {"doc_id": 4, "doc": doc, "target": "", "resps": [[ROWS[1]["turn_2_response"]]], "filter": "none"}
    _, found, verdicts = score(tmp_path, [log])
    assert found["turn_2_overall"] == 1.0 and verdicts[0]["key"] == ROWS[1]["key"]
    code, _, verdicts = score(tmp_path, [{"key": "k", "turn": 1, "response": "x"}])
    assert code == 2 and "name the file of facebook/Multi-IF" in verdicts[0]["error"]
