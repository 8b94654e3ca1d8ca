import json

from distill.cli import main


def test_check_reports_columns_counts_and_compliance(capsys):
    assert main(["data", "check", "--data", "sample"]) == 0
    printed = capsys.readouterr().out
    for words in ("gsm8k train:", "csqa evaluation:", "math train:", "'instruction_id_list'", "compliant"):
        assert words in printed


def test_check_goes_on_after_an_unusable_set_and_fails_at_the_end(tmp_path, capsys):
    (tmp_path / "gsm8k").mkdir()
    row = {"question": "1+1?", "answer": "2\n#### 2"}
    (tmp_path / "gsm8k" / "test.jsonl").write_text(json.dumps(row) + "\n")
    assert main(["data", "check", "--task", "gsm8k", "--data", str(tmp_path)]) == 2
    printed = capsys.readouterr().out
    assert "gsm8k train: NOT USABLE" in printed and "train.jsonl" in printed
    assert "gsm8k evaluation: 1 rows" in printed


def test_preview_shows_both_readers_and_one_answer(model_dir, capsys):
    words = ["data", "preview", "--task", "ifeval", "--num_fewshot", "2", "--data", "sample"]
    assert main([*words, "--model", str(model_dir), "--index", "3"]) == 0
    printed = capsys.readouterr().out
    teacher, student = printed.split("--- student:")
    assert teacher.count("<|im_start|>user") == 3 and student.count("<|im_start|>user") == 1
    assert "prompt tokens" in teacher and "the same" in student


def test_preview_names_a_missing_model_and_row(tmp_path, capsys):
    words = ["data", "preview", "--task", "gsm8k", "--data", "sample"]
    assert main([*words, "--model", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert main([*words, "--model", "demo", "--index", "99999"]) == 2
    assert "99999" in capsys.readouterr().err
