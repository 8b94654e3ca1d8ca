"""The trainer as TRL's users expect it: their columns, and nothing else to pass."""

import pytest
from datasets import Dataset
from peft import LoraConfig

from distill.encoding.encode import encode_answer, encode_prompt
from distill.training.config import ICLDistillConfig
from distill.training.trainer import ICLDistillTrainer
from lm_eval_tasks.errors import UserError

SHOWN = [
    {"role": "user", "content": "One apple for Ann."},
    {"role": "assistant", "content": '{"item": "apple"}'},
]
LONG = SHOWN * 6


def asked(text):
    return [{"role": "user", "content": text}]


ROWS = [
    {
        "prompt": asked(f"{word} for Bob."),
        "completion": f'{{"item": "{word}"}}',
        "teacher_prompt": LONG + asked(f"{word} for Bob."),
    }
    for word in ("pear", "plum", "fig", "nut")
]


@pytest.fixture
def train(make_model, make_tokenizer, tmp_path):
    """A trainer of those rows that has taken its steps."""

    def run(rows, model=None, eval_rows=None, lora=True, steps=1, **settings):
        config = ICLDistillConfig(
            output_dir=str(tmp_path), use_cpu=True, bf16=False, gradient_checkpointing=False, max_steps=steps,
            per_device_train_batch_size=4, logging_steps=1, save_strategy="no", report_to="none",
            disable_tqdm=True, learning_rate=1e-2, top_k=20, warmup_steps=0, lr_scheduler_type="constant",
            **settings,
        )  # fmt: skip
        trainer = ICLDistillTrainer(
            model or make_model(),
            config,
            train_dataset=Dataset.from_list(rows),
            eval_dataset=Dataset.from_list(eval_rows) if eval_rows else None,
            processing_class=make_tokenizer("chatml"),
            peft_config=LoraConfig(r=4, target_modules=["q_proj", "v_proj"]) if lora else None,
        )
        trainer.train()
        return trainer

    return run


def loss_of(trainer):
    return next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)


def test_messages_text_and_token_ids_are_the_same_rows(train, make_tokenizer):
    tokenizer = make_tokenizer("chatml")
    as_messages = [
        row | {"completion": [{"role": "assistant", "content": row["completion"]}]} for row in ROWS
    ]
    as_ids = [
        {
            "prompt_ids": encode_prompt(tokenizer, row["prompt"]),
            "completion_ids": encode_answer(tokenizer, row["prompt"], row["completion"]),
            "teacher_prompt_ids": encode_prompt(tokenizer, row["teacher_prompt"]),
        }
        for row in ROWS
    ]
    losses = {round(loss_of(train(rows)), 6) for rows in (ROWS, as_messages, as_ids)}
    assert len(losses) == 1


def test_text_prompts_are_read_as_they_stand(train, make_tokenizer):
    rows = [{"prompt": "2 + 2 =", "completion": " 4", "teacher_prompt": "1 + 1 = 2\n\n2 + 2 ="}] * 4
    trainer = train(rows)
    tokenizer = make_tokenizer("chatml")
    row = trainer.train_dataset[0]
    assert tokenizer.decode(row["prompt_ids"]) == "2 + 2 ="
    assert tokenizer.decode(row["teacher_prompt_ids"]) == "1 + 1 = 2\n\n2 + 2 ="
    assert tokenizer.decode(row["completion_ids"]) == f" 4{tokenizer.eos_token}"


def test_the_shared_prefix_is_found_and_changes_nothing(train):
    shared = train(ROWS)
    whole = train(ROWS, shared_prefix=False)
    assert len(shared.teacher._prefix_ids[0]) > 50
    assert loss_of(shared) == pytest.approx(loss_of(whole), rel=1e-5)


def test_an_evaluation_set_of_the_same_columns_is_measured(train):
    trainer = train(ROWS, eval_rows=ROWS[:2], per_device_eval_batch_size=1)
    known = trainer.evaluate()["eval_divergence"]
    assert known > 0
    assert trainer.evaluate(Dataset.from_list(ROWS[:2]))["eval_divergence"] == pytest.approx(known)
    with pytest.raises(UserError, match="eval_dataset: column teacher_prompt is missing"):
        trainer.evaluate(Dataset.from_list([{"prompt": "a", "completion": "b"}]))


@pytest.mark.parametrize("option", ["data_collator", "formatting_func", "compute_loss_func"])
def test_what_the_trainer_decides_itself_is_refused(make_model, option):
    with pytest.raises(UserError, match=f"{option}: .* Leave it out."):
        ICLDistillTrainer(make_model(), train_dataset=Dataset.from_list(ROWS), **{option: print})


def test_a_stream_is_refused_with_a_remedy(make_model, make_tokenizer, tmp_path):
    stream = Dataset.from_list(ROWS).to_iterable_dataset()
    config = ICLDistillConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none")
    with pytest.raises(UserError, match=r"not IterableDataset: .*take"):
        ICLDistillTrainer(
            make_model(), config, train_dataset=stream, processing_class=make_tokenizer("chatml")
        )


def test_what_the_teacher_reads_decides_the_loss(train):
    other = [row | {"teacher_prompt": row["prompt"]} for row in ROWS]
    assert loss_of(train(ROWS)) != pytest.approx(loss_of(train(other)), rel=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teacher_prompt": None}, "row 0: column 'teacher_prompt' must be text or a list of messages"),
        ({"completion": " "}, "row 0: column 'completion' must be text or one assistant message"),
        ({"prompt": []}, "row 0: column 'prompt' must be text or a list of messages"),
        ({"chat_template_kwargs": {"date": "today"}}, r"has \['date'\]"),
    ],
)
def test_a_bad_row_is_named(train, change, message):
    with pytest.raises(UserError, match=message):
        train([ROWS[0] | change])


def test_missing_columns_are_named(train):
    with pytest.raises(UserError, match="train_dataset: column teacher_prompt is missing"):
        train([{"prompt": "a", "completion": "b"}])
    with pytest.raises(UserError, match="column completion_ids, teacher_prompt_ids is missing"):
        train([{"prompt_ids": [1]}])


def test_rows_over_a_budget_are_left_out_and_said(train, caplog):
    trainer = train([*ROWS, ROWS[0] | {"completion": "very long " * 200}], max_length=128)
    assert len(trainer.train_dataset) == 4
    assert "1 of 5 rows exceed a token budget" in caplog.text
