"""`icl-distill data check|preview|overlap` on rows of one's own and on a task of lm-eval."""

import json

import yaml

from distill.cli import main

ORDERS = [
    {
        "prompt": f"{n} pears for Anna and nothing else, so please write it down today for us",
        "completion": f"pears {n}",
    }
    for n in range(6)
]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def harness_task(folder):
    table = [{"q": f"What comes after {n}?", "a": str(n + 1)} for n in range(8)]
    files = {
        "train": write(folder / "train.jsonl", table[:6]),
        "test": write(folder / "test.jsonl", table[6:]),
    }
    config = {
        "task": "after", "dataset_path": "json",
        "dataset_kwargs": {"data_files": files, "cache_dir": str(folder / "cache")},
        "training_split": "train", "test_split": "test", "output_type": "generate_until",
        "doc_to_text": "{{q}}", "doc_to_target": "{{a}}", "num_fewshot": 2,
    }  # fmt: skip
    path = folder / "after.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_check_counts_the_rows_of_any_source(tmp_path, capsys):
    shown = write(tmp_path / "orders.jsonl", [*ORDERS, {"prompt": "unlabelled"}])
    words = ["data", "check", "--task", shown, "--eval"]
    # Rows that are learnt from although they are evaluated are refused by name.
    assert main([*words, write(tmp_path / "e.jsonl", ORDERS[:2])]) == 2
    assert "NOT USABLE" in capsys.readouterr().out
    assert main([*words, write(tmp_path / "e.jsonl", [{"prompt": "x", "completion": "y"}])]) == 0
    printed = capsys.readouterr().out
    assert "orders train: 7 rows" in printed and "6 with an answer, 7 different questions" in printed
    assert "orders evaluation: 1 rows" in printed
    assert main(["data", "check", "--task", harness_task(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "lm_eval:after train: 6 rows" in printed and "lm_eval:after evaluation: 2 rows" in printed


def test_preview_shows_context_and_an_unlabelled_row(model_dir, tmp_path, capsys):
    path = write(tmp_path / "orders.jsonl", [{"prompt": "Two figs."}, {"prompt": "Six figs."}])
    shown = write(tmp_path / "d.jsonl", ORDERS[:2])
    words = ["data", "preview", "--task", path, "--model", str(model_dir), "--demonstrations", shown]
    assert main([*words, "--system_instruction", "Answer in JSON.", "--index", "1"]) == 0
    teacher, student = capsys.readouterr().out.split("--- student:")
    assert (
        "<|im_start|>system\nAnswer in JSON.<|im_end|>" in teacher and teacher.count("<|im_start|>user") == 3
    )
    assert student.count("<|im_start|>") == 2 and "Six figs." in student and "no answer" in student
    assert main(["data", "preview", "--task", harness_task(tmp_path), "--model", str(model_dir)]) == 0
    teacher, student = capsys.readouterr().out.split("--- student:")
    assert teacher.count("<|im_start|>user") == 3 and student.count("<|im_start|>user") == 1


def test_overlap_of_rows_of_ones_own(tmp_path, capsys):
    learnt = write(tmp_path / "orders.jsonl", ORDERS)
    near = {"prompt": ORDERS[3]["prompt"] + " thanks", "completion": "x"}
    tested = write(tmp_path / "e.jsonl", [near, {"prompt": "Another matter.", "completion": "y"}])
    output = tmp_path / "found.json"
    words = ["data", "overlap", "--task", learnt, "--eval", tested, "--ngram", "8", "--output", str(output)]
    assert main(words) == 0
    assert "6 training rows" in capsys.readouterr().out
    (found,) = json.loads(output.read_text())["benchmarks"].values()
    assert found["comparisons"][0]["evaluated"]["near"] == 1
    assert main(["data", "overlap", "--task", harness_task(tmp_path), "--num_fewshot", "2"]) == 0
    assert "lm_eval:after" in capsys.readouterr().out


def test_a_folder_is_no_output_and_a_negative_limit_no_limit(tmp_path, capsys):
    rows = write(tmp_path / "orders.jsonl", ORDERS)
    assert main(["data", "overlap", "--task", rows, "--num_fewshot", "0", "--output", str(tmp_path)]) == 2
    assert "is a folder; name a file in it" in capsys.readouterr().err
    words = ["answers", "--model", "m", "--task", rows, "--output", str(tmp_path / "a.jsonl")]
    assert main([*words, "--limit", "-2"]) == 2
    assert "--limit: -2" in capsys.readouterr().err
