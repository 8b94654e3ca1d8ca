"""Results of lm-eval's and of our own in one folder: read alike, compared, and written as lm-eval's."""

import json

import pytest
from lm_eval.utils import make_table

from distill.cli import main
from distill.evaluation.lm_eval_writing import write_lm_eval
from distill.evaluation.result import read_file, result_files, same_rows
from distill.report.collect import collect
from distill.report.comparability import differing
from distill.report.leaderboard import leaderboard
from distill.report.markdown import Report, compose
from lm_eval_tasks.errors import UserError

from .conftest import answer_rows, ifeval_gap, make_entry, write
from .test_leaderboard import write as write_lm_eval_run

GSM8K = {"base": 20, "online_v1": 31}


def our_run(folder):
    """GSM8K bare, of the base and a student, 40 rows."""
    measured = []
    for condition, right in GSM8K.items():
        rows = answer_rows(right, 40)
        measured.append(
            (make_entry("gsm8k", rows, condition=condition, step=7 if right > 20 else None), rows)
        )
    write(folder / "gap.json", "gap", measured[:1])
    write(folder / "results.json", "checkpoints", measured[1:])


def lm_eval_run(folder):
    """The same rows, as lm_eval logs them, of another model."""
    rows = answer_rows(25, 40)
    docs = [{"id": row["id"], "prompt": row["question"], "target": row["target"]} for row in rows]
    return write_lm_eval_run(folder, [row["strict_acc"] for row in rows], docs=docs)


def test_the_leaderboard_ranks_runs_of_both_kinds_and_pairs_them(tmp_path, capsys):
    our_run(tmp_path / "in" / "run")
    lm_eval_run(tmp_path / "in" / "lm_eval")
    assert main(["leaderboard", str(tmp_path / "in"), "--output", str(tmp_path / "board.json")]) == 0
    board = json.loads((tmp_path / "board.json").read_text())
    scores = {
        (model["model"], bool(model["adapter"])): [
            (record["task"], record["metrics"]["strict_acc"]["count"], record["n"])
            for record in model["tasks"]
        ]
        for model in board["models"]
    }
    assert scores == {
        ("Qwen/Qwen3-1.7B", False): [("gsm8k_icl_0shot", 20, 40)],
        ("Qwen/Qwen3-1.7B", True): [("gsm8k_icl_0shot", 31, 40)],
        ("org/a", False): [("gsm8k_icl_0shot", 25, 40)],
    }
    assert len(board["comparisons"]) == 3
    across = [
        line for line in board["comparisons"] if "org/a" in line["second"] and "online_v1" in line["first"]
    ]
    assert across[0]["n"] == 40 and across[0]["difference"] == pytest.approx(-6 / 40)
    assert "the seed" not in across[0]["differs"]  # lm-eval's files do not tell ours
    assert "strict_acc" in capsys.readouterr().out


def test_a_model_of_the_hub_is_one_whoever_asked_it(tmp_path):
    """Only lm-eval notes the hash of the commit."""
    our_run(tmp_path / "run")
    base = {"pretrained": "Qwen/Qwen3-1.7B"}
    write_lm_eval_run(tmp_path, [True, False], task="csqa_icl_0shot", arguments=base, sha="abc")
    board = leaderboard(result_files([tmp_path]))
    tasks = {bool(one["adapter"]): [record["task"] for record in one["tasks"]] for one in board["models"]}
    assert len(board["models"]) == 2 and tasks[False] == ["csqa_icl_0shot", "gsm8k_icl_0shot"]


def test_a_report_over_lm_eval_results(tmp_path):
    pool = {"pool_fingerprint": "p"}
    write_lm_eval_run(tmp_path, [number < 20 for number in range(40)])
    few = {"task": "gsm8k_icl_fewshot", "k": 8, "metadata": pool, "prompt": "q"}
    write_lm_eval_run(tmp_path, [number < 34 for number in range(40)], **few)
    student = {"peft": "runs/online_v1/checkpoint-20"}
    write_lm_eval_run(tmp_path, [number < 30 for number in range(40)], arguments=student)
    page = compose(Report("Runs", collect([tmp_path])))
    assert "| 0-shot | 50.00% (20/40) | [35.2, 64.8] |" in page
    assert "| ICL gap | **+35.00%** [" in page or "| ICL gap | **+35.00%** |" in page
    assert "online_v1 step 20 against base 0-shot" in page
    assert "ICL gap closed" in page and "71%" in page


def test_results_written_as_lm_evals_are_read_as_the_same(tmp_path):
    write(tmp_path / "gap.json", "gap", ifeval_gap())
    for result in read_file(tmp_path / "gap.json"):
        file = write_lm_eval(result, tmp_path / "lm_eval")
        (again,) = read_file(file)
        assert same_rows(result, again) and again.task == result.task
        assert again.entry["metrics"] == result.entry["metrics"]
        assert differing(again.entry, result.entry) == []
        assert again.entry["diagnostics"] == {
            name: one for name, one in result.entry["diagnostics"].items() if isinstance(one, dict)
        }
        for name in ("benchmark", "view", "num_fewshot", "condition", "step", "generation", "date"):
            assert again.entry[name] == result.entry[name]
        table = make_table(json.loads(file.read_text()))  # lm-eval's own reader
        assert ("prompt_level_strict_acc" in table and "0.0721" in table) or "0.0850" in table


def test_rows_are_the_same_by_what_they_ask_and_not_by_their_numbers(tmp_path):
    one, other = ifeval_gap()[:2]
    for number, row in enumerate(other[1]):
        row["question"] = f"another {number}"
    write(tmp_path / "gap.json", "gap", [one, other])
    first, second = read_file(tmp_path / "gap.json")
    assert first.rows.keys() == second.rows.keys() and not same_rows(first, second)
    assert same_rows(first, first)


def test_a_log_that_lost_rows_is_an_error(tmp_path):
    write(tmp_path / "gap.json", "gap", ifeval_gap()[:1])
    (result,) = read_file(tmp_path / "gap.json")
    lines = result.log.read_text().splitlines(keepends=True)
    result.log.write_text("".join(lines[:-1]))
    with pytest.raises(UserError, match=r"holds 540 rows, and gap\.json counts 541\. Measure again"):
        _ = result.rows


def test_the_command_writes_lm_evals_files(tmp_path):
    our_run(tmp_path / "run")
    lm_eval = tmp_path / "lm_eval"
    words = ["leaderboard", str(tmp_path / "run"), "--output", str(tmp_path / "b.json")]
    assert main([*words, "--lm_eval", str(lm_eval)]) == 0
    assert len(result_files([lm_eval])) == 2 == len(list(lm_eval.rglob("samples_gsm8k_icl_0shot_*.jsonl")))
    board = leaderboard(result_files([tmp_path]))  # both ways of writing side by side are one result each
    assert [len(model["tasks"]) for model in board["models"]] == [1, 1]


def test_earlier_names_are_read_as_todays(tmp_path):
    """Such as `empty` and `completed_strict_acc`; verdicts by type and standard errors were metrics."""
    file = write_lm_eval_run(
        tmp_path, [[True], [False]], task="ifeval_icl_0shot", metric="inst_level_strict_acc"
    )
    found = json.loads(file.read_text())
    old = {"empty,none": 0.5, "completed_strict_acc,none": "N/A", "type/punctuation:no_comma,none": 0.5,
           "inst_level_strict_acc_stderr_stderr,none": "N/A", "empty_stderr,none": "N/A"}  # fmt: skip
    found["results"]["ifeval_icl_0shot"] |= old
    file.write_text(json.dumps(found))
    (result,) = read_file(file)
    assert list(result.entry["metrics"]) == ["inst_level_strict_acc"]
    assert result.entry["diagnostics"] == {
        "response_empty": {"count": 1, "total": 2, "rate": 0.5},
        "score_on_completed": {"metric": "inst_level_strict_acc", "count": None, "total": 0, "rate": None},
    }
