import json

from distill.training.config import DataArguments
from distill.training.data import load_training_data


def test_repeated_rows_are_trained_on_once_and_counted(tmp_path, tokenizer):
    (tmp_path / "gsm8k").mkdir()
    rows = [{"question": f"What is {n} and {n}?", "answer": f"Twice.\n#### {2 * n}"} for n in range(12)]
    rows.append({"question": "what IS 11 and\n11?", "answer": "Twice.\n#### 22"})
    (tmp_path / "gsm8k" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "gsm8k" / "test.jsonl").write_text(json.dumps(rows[0]) + "\n")
    args = DataArguments(task="gsm8k", data=str(tmp_path), num_fewshot=0, eval_rows=2)
    data = load_training_data(args, tokenizer, max_length=None, seed=0)
    assert data.record["repeated_rows_left_out"] == 1 and data.record["evaluated_rows_left_out"] == 1
    assert len({row["id"] for row in [*data.train, *data.held_out]}) == 11
