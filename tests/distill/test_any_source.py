"""Training rows out of rows of one's own and out of tasks of lm-eval."""

import json
from pathlib import Path

import pytest
import yaml

from distill.encoding.encode import encode_prompt
from distill.encoding.prefixes import prefixes_of
from distill.training.config import DataArguments
from distill.training.data import load_training_data
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import PRIVILEGED_TEMPLATE

FRUIT = ["apple", "pear", "plum", "fig", "lime", "date"]
SOLVED = [{"prompt": f"Sell {i} {f}s.", "completion": f'{{"n": {i}}}'} for i, f in enumerate(FRUIT)]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def orders(tmp_path):
    """A file of 14 inputs, of which the last two are unlabelled, and one of six demonstrations."""
    rows = [
        {"prompt": f"{i} pears, please.", "completion": f'{{"n": {i}}}', "why": f"n is {i}"}
        for i in range(12)
    ]
    rows += [{"prompt": "Two limes."}, {"prompt": "Three limes."}]
    return write(tmp_path / "orders.jsonl", rows), write(tmp_path / "shown.jsonl", SOLVED)


def harness_task(folder, **config):
    """The path of a YAML; of its rows 0 to 9 the last is evaluated too."""
    table = [
        {"q": f"What comes after {n}?", "a": str(n + 1), "o": [str(n), str(n + 1)], "y": 1} for n in range(12)
    ]
    files = {
        "train": write(folder / "train.jsonl", table[:10]), "test": write(folder / "test.jsonl", table[9:]),
    }  # fmt: skip
    config = {
        "task": "after", "dataset_path": "json", "training_split": "train", "test_split": "test",
        "dataset_kwargs": {"data_files": files, "cache_dir": str(folder / "cache")},
        "output_type": "generate_until", "doc_to_text": "Q: {{q}}\nA:", "doc_to_target": "{{a}}",
        "num_fewshot": 2,
    } | config  # fmt: skip
    path = folder / "after.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def load(tokenizer, task, **changes):
    args = DataArguments(task=task, **{"eval_rows": 3, **changes})
    return load_training_data(args, tokenizer, max_length=None, seed=0)


def turns(*texts):
    return [{"role": role, "content": text} for role, text in texts]


def demonstration_turns(rows):
    return turns(
        *(turn for row in rows for turn in (("user", row["prompt"]), ("assistant", row["completion"])))
    )


def test_rows_of_ones_own_behind_an_instruction_a_document_and_demonstrations(tokenizer, orders, tmp_path):
    task, shown = orders
    manual = tmp_path / "manual.txt"
    manual.write_text("n counts the fruit.\n")
    context = {"system_instruction": "Answer in JSON.", "document": [str(manual)], "demonstrations": shown}
    data = load(tokenizer, task, num_fewshot=4, **context)
    system = ("system", "Answer in JSON.\n\nDocument manual.txt:\n\nn counts the fruit.")
    before = turns(system) + demonstration_turns(SOLVED[:4])
    for row in data.train + data.held_out:
        asked = turns(("user", f"{row['id']} pears, please."))
        assert row["prompt_ids"] == encode_prompt(tokenizer, asked)
        assert row["teacher_prompt_ids"] == encode_prompt(tokenizer, before + asked)
        assert tokenizer.decode(row["completion_ids"]) == f'{{"n": {row["id"]}}}<|im_end|>'
    # Two of the twelve with an answer are evaluated.
    assert len(data.train) == 7 and len(data.held_out) == 3
    assert data.record["unanswered_rows_left_out"] == 2
    assert data.record["context"]["documents"] == [{"name": "manual.txt", "text": "n counts the fruit."}]
    # The common prefix is found, never declared: all that stands before the question.
    (prefix, *_) = prefixes_of(data.train)
    assert len(prefix) >= len(encode_prompt(tokenizer, before)) - 4
    # The default is all of them.
    assert load(tokenizer, task, demonstrations=shown).record["num_fewshot"] == len(SOLVED)


@pytest.mark.parametrize("column", ["why", "completion"])
def test_a_privileged_column_is_read_by_the_teacher_alone(tokenizer, orders, column):
    data = load(tokenizer, orders[0], privileged="completion")
    template = "{question} ({privileged})"
    if column == "why":
        path = Path(orders[0])
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:12]))  # the labelled ones
        data = load(tokenizer, orders[0], privileged="why", privileged_template=template)
    else:
        template = PRIVILEGED_TEMPLATE
    assert data.train
    for row in data.train:
        asked = f"{row['id']} pears, please."
        told = f"n is {row['id']}" if column == "why" else f'{{"n": {row["id"]}}}'
        filled = template.replace("{question}", asked).replace("{privileged}", told)
        assert row["prompt_ids"] == encode_prompt(tokenizer, turns(("user", asked)))
        assert row["teacher_prompt_ids"] == encode_prompt(tokenizer, turns(("user", filled)))


def test_a_missing_privileged_column_names_the_row(tokenizer, orders):
    with pytest.raises(UserError, match="column 'nothing' must be text"):
        load(tokenizer, orders[0], privileged="nothing")


def test_an_answers_file_stands_in_the_place_of_gold_answers(tokenizer, orders, tmp_path):
    task, shown = orders
    answers = write(
        tmp_path / "a.jsonl", [{"id": str(i), "completion": f"answer {i}"} for i in (3, 12, 13, 5)]
    )
    data = load(tokenizer, task, demonstrations=shown, answers=answers, eval_rows=0)
    assert {row["id"]: tokenizer.decode(row["completion_ids"]) for row in data.train} == {
        id: f"answer {id}<|im_end|>" for id in ("3", "12", "13", "5")
    }
    assert data.record["unanswered_rows_left_out"] == 8
    other = write(tmp_path / "b.jsonl", [{"id": str(i), "completion": f"Answer {i}"} for i in (3, 12, 13, 5)])
    again = load(tokenizer, task, demonstrations=shown, answers=other, eval_rows=0)
    assert again.record["fingerprint"] == data.record["fingerprint"]
    assert again.record["answers"] != data.record["answers"]
    with pytest.raises(UserError, match="none of its 12 rows has an answer"):
        nothing = write(tmp_path / "c.jsonl", [{"id": "elsewhere", "completion": "x"}])
        load(tokenizer, task, demonstrations=shown, answers=nothing)
    with pytest.raises(UserError, match=r"bad\.jsonl.*needs the texts 'id' and 'completion'"):
        load(tokenizer, task, answers=write(tmp_path / "bad.jsonl", [{"id": 3, "completion": "x"}]))


def test_demonstrations_as_rows_to_learn_from(tokenizer, orders):
    task, shown = orders
    data = load(tokenizer, task, demonstrations=shown, learn_from="demonstrations")
    teacher = load(tokenizer, task, demonstrations=shown)
    learnt = {tokenizer.decode(row["prompt_ids"]) for row in data.train}
    asked = [turns(("user", row["prompt"])) for row in SOLVED]
    assert learnt == {tokenizer.decode(encode_prompt(tokenizer, prompt)) for prompt in asked}
    assert data.held_out == teacher.held_out  # so that the baseline is measured on the same rows
    for row in data.train:  # none stands before itself
        assert row["demonstrations"] == len(SOLVED) - 1
    without_inputs = load(tokenizer, task, demonstrations=shown, learn_from="demonstrations", eval_rows=0)
    assert len(without_inputs.train) == len(SOLVED) and not without_inputs.held_out
    ours = load(tokenizer, "gsm8k", data="sample", num_fewshot=4, learn_from="demonstrations")
    assert len(ours.train) == 4
    with pytest.raises(UserError, match="shows no demonstrations to learn from"):
        load(tokenizer, "gsm8k", data="sample", num_fewshot=0, learn_from="demonstrations")


@pytest.mark.parametrize("mode", [None, "shuffled", "zero", "per_example"])
def test_controls_of_an_lm_eval_task_train_on_the_same_rows(tokenizer, tmp_path, mode):
    task = harness_task(tmp_path)
    data = load(tokenizer, task, demonstrations=mode)
    reference = load(tokenizer, task)
    assert [row["id"] for row in data.train] == [row["id"] for row in reference.train]
    assert data.record["evaluated_rows_left_out"] == 1 and data.record["demonstrations_left_out"] == 2
    assert len(data.train) == 10 - 1 - 2 - 3
    if mode != "per_example":  # measured against the real few-shot teacher, whatever trains
        assert data.held_out == reference.held_out
    if mode == "zero":
        assert all(row["teacher_prompt_ids"] == row["prompt_ids"] for row in data.train)


def test_a_multiple_choice_task_is_learnt_as_it_is_scored(tokenizer, tmp_path):
    task = harness_task(
        tmp_path, output_type="multiple_choice", doc_to_text="{{q}}", doc_to_choice="o", doc_to_target="y"
    )
    data = load(tokenizer, task, system_instruction="Choose.", num_fewshot=0)
    assert data.train
    for row in data.train:
        number = int(row["id"].split("/")[-1])
        asked = turns(("user", f"What comes after {number}?"))
        assert row["prompt_ids"] == encode_prompt(tokenizer, asked)
        assert row["teacher_prompt_ids"] == encode_prompt(tokenizer, turns(("system", "Choose.")) + asked)
        assert tokenizer.decode(row["completion_ids"]).strip() == f"{number + 1}<|im_end|>"


def test_other_inputs_stand_where_the_tasks_question_would(tokenizer, tmp_path):
    inputs = write(
        tmp_path / "i.jsonl",
        [{"prompt": f"Q: And after {n}?\nA:", "completion": str(n + 1)} for n in range(20, 24)]
        + [{"prompt": "Q: What comes after 10?\nA:"}],  # evaluated
    )
    data = load(tokenizer, harness_task(tmp_path), inputs=inputs, eval_rows=0)
    assert data.record["evaluated_rows_left_out"] == 1 and len(data.train) == 4
    prompts = {tokenizer.decode(row["prompt_ids"]) for row in data.train}
    assert prompts == {
        tokenizer.decode(encode_prompt(tokenizer, turns(("user", f"Q: And after {n}?\nA:"))))
        for n in range(20, 24)
    }
    for row in data.train:
        assert tokenizer.decode(row["teacher_prompt_ids"]).count("What comes after") == 2


def test_no_training_split_names_the_remedies(tokenizer, tmp_path):
    with pytest.raises(UserError, match=r"--inputs"):
        load(tokenizer, harness_task(tmp_path, training_split=None, fewshot_split="train"), num_fewshot=2)
