import pytest

from distill.encoding.encode import encode_prompt
from distill.encoding.prefixes import prefixes_of
from distill.encoding.token_rows import Budgets, build_rows
from distill.training.config import DataArguments
from distill.training.data import load_training_data
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker, without_overlap
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.sources import open_source

EXAMPLES = open_source("gsm8k", data="sample").train()
teach = build_messages


def nothing(example):
    return []


def test_both_prompts_are_followed_by_one_answer(tokenizer):
    shown = EXAMPLES[:2]
    (row,), counts = build_rows(EXAMPLES[5:6], lambda _: shown, teach, tokenizer, budgets=Budgets(None, None))
    assert row["prompt_ids"] == encode_prompt(tokenizer, build_messages(EXAMPLES[5]))
    assert row["teacher_prompt_ids"] == encode_prompt(tokenizer, build_messages(EXAMPLES[5], shown))
    assert tokenizer.decode(row["completion_ids"]) == f"{EXAMPLES[5].completion}<|im_end|>"
    assert row["length"] == len(row["prompt_ids"]) + len(row["completion_ids"])
    assert counts.rows == 1


def test_a_row_that_would_be_cut_is_dropped_and_counted(tokenizer):
    rows, _ = build_rows(EXAMPLES[:20], nothing, teach, tokenizer, budgets=Budgets(None, None))
    limit = sorted(row["length"] for row in rows)[9]
    kept, counts = build_rows(EXAMPLES[:20], nothing, teach, tokenizer, budgets=Budgets(limit, None))
    assert kept == [row for row in rows if row["length"] <= limit]
    assert counts.over_student_budget == 20 - len(kept)


def test_the_teacher_loses_whole_demonstrations_never_part_of_one(tokenizer):
    example, shown = EXAMPLES[0], EXAMPLES[1:4]
    whole = {k: encode_prompt(tokenizer, build_messages(example, shown[:k])) for k in range(4)}
    (row,), _ = build_rows([example], nothing, teach, tokenizer, budgets=Budgets(None, None))
    limit = len(whole[2]) + len(row["completion_ids"])
    (row,), counts = build_rows([example], lambda _: shown, teach, tokenizer, budgets=Budgets(None, limit))
    assert row["teacher_prompt_ids"] == whole[2]
    assert (counts.demonstrations_dropped, counts.rows_with_fewer_demonstrations) == (1, 1)
    with pytest.raises(
        UserError, match=r"no row is left.*over_teacher_budget 1.*teacher_max_length \(now 10\)"
    ):
        build_rows([example], lambda _: shown, teach, tokenizer, budgets=Budgets(None, 10))


def test_no_row_left_is_an_error(tokenizer):
    with pytest.raises(UserError, match=r"over_student_budget 3.*Raise max_length \(now 5\)"):
        build_rows(EXAMPLES[:3], nothing, teach, tokenizer, budgets=Budgets(5, None))


@pytest.mark.parametrize("mode", ["fixed", "shuffled", "zero", "per_example"])
def test_every_control_trains_on_the_same_unseen_rows(tokenizer, mode):
    def load(demonstrations):
        args = DataArguments(
            task="gsm8k", data="sample", num_fewshot=2, demonstrations=demonstrations, eval_rows=5
        )
        return load_training_data(args, tokenizer, max_length=None, seed=3)

    data, reference = load(mode), load("fixed")
    assert [row["id"] for row in data.train] == [row["id"] for row in reference.train]
    pool, _ = without_overlap(EXAMPLES, open_source("gsm8k", data="sample").evaluation())
    shown = {example.id for example in DemonstrationPicker(pool, 2).fixed}
    used = [row["id"] for row in data.train + data.held_out]
    assert len(set(used)) == len(used) == len(pool) - len(shown)
    assert not shown & set(used)
    if mode != "per_example":  # measured against the real few-shot teacher, whatever trains
        assert data.held_out == reference.held_out


def test_the_teacher_reads_what_the_few_shot_task_shows(tokenizer):
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=3, eval_rows=4)
    data = load_training_data(args, tokenizer, max_length=None, seed=0)
    pool, _ = without_overlap(EXAMPLES, open_source("gsm8k", data="sample").evaluation())
    question = open_source("gsm8k", data="sample").evaluation()[0]
    shown = DemonstrationPicker(pool, 3).pick(question)
    prompt = encode_prompt(tokenizer, build_messages(question, shown))
    assert prompt[: len(prefixes_of(data.train)[0])] == prefixes_of(data.train)[0]
    assert data.record["demonstration_ids"] == [[example.id for example in shown]]


def test_evaluated_questions_are_left_out(tokenizer, tmp_path):
    import json

    rows = [{"question": f"Question {i}?", "answer": f"So it is {i}.\n#### {i}"} for i in range(12)]
    (tmp_path / "gsm8k").mkdir()
    for name, part in (("train", rows), ("test", rows[:4])):
        lines = "\n".join(json.dumps(row) for row in part)
        (tmp_path / "gsm8k" / f"{name}.jsonl").write_text(lines)
    args = DataArguments(task="gsm8k", data=str(tmp_path), num_fewshot=2, eval_rows=2)
    data = load_training_data(args, tokenizer, max_length=None, seed=0)
    assert data.record["evaluated_rows_left_out"] == 4
    assert len(data.train) == 12 - 4 - 2 - 2
    assert not {"0", "1", "2", "3"} & {row["id"] for row in data.train + data.held_out}


def test_too_many_held_out_rows_is_an_error(tokenizer):
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=2, eval_rows=5000)
    with pytest.raises(UserError, match="eval_rows: 5000"):
        load_training_data(args, tokenizer, max_length=None, seed=0)
