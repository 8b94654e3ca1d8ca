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


def write_rows(path, questions):
    path.parent.mkdir(exist_ok=True)
    rows = ({"question": question, "answer": "so\n#### 2"} for question in questions)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_overlap_names_planted_rows_and_repeats(tmp_path, capsys):
    questions = [f"How many stones are in a ring of {n} rows of {n} stones?" for n in range(12)]
    write_rows(tmp_path / "gsm8k" / "train.jsonl", [*questions, questions[3], "A planted question?"])
    write_rows(tmp_path / "gsm8k" / "test.jsonl", ["Another one?", " a PLANTED question? "])
    output = tmp_path / "found.json"
    words = ["data", "overlap", "--task", "gsm8k", "--data", str(tmp_path), "--output", str(output)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "gsm8k: exact (100%): training rows 13, evaluated rows 1: a planted question" in printed
    assert "1 of the 14 training rows are evaluated" in printed
    found = json.loads(output.read_text())["benchmarks"]["gsm8k"]
    assert found["comparisons"][0]["evaluated"] == {"exact": 1, "near": 0, "partial": 0}
    assert found["repeats"] == [["3", "12"]]


def test_overlap_compares_the_rows_of_rlvr_too(tmp_path, capsys):
    (tmp_path / "rlvr_ifeval").mkdir()
    truth = json.dumps({"func_name": "validate_lowercase"})
    rows = [
        {"messages": [{"role": "user", "content": text}], "ground_truth": truth}
        for text in ("Write a line in lower case.", "How many legs have nine hens and two cows together?")
    ]
    path = tmp_path / "rlvr_ifeval" / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows * 2))
    write_rows(tmp_path / "gsm8k" / "test.jsonl", ["How many legs have nine hens and two cows together?"])
    assert main(["data", "overlap", "--rlvr", "--task", "gsm8k", "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "gsm8k: exact (100%): RLVR-IFeval training rows" in printed and "legs have nine hens" in printed


def test_overlap_goes_on_without_training_rows(tmp_path, capsys):
    write_rows(tmp_path / "gsm8k" / "test.jsonl", ["A question?"])
    assert main(["data", "overlap", "--task", "gsm8k", "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "no training rows and no demonstrations to compare" in printed and "train.jsonl" in printed
    assert main(["data", "overlap", "--task", "math", "--data", str(tmp_path)]) == 2
    assert main(["data", "overlap", "--task", "gsm8k", "--data", "sample", "--threshold", "80"]) == 2
    assert "threshold" in capsys.readouterr().err
