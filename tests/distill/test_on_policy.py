"""Generated answers: who writes them, what is trained on, and that all of it can be repeated."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from distill.encoding.collator import DistillCollator, predicting
from distill.encoding.prefixes import prefixes_of
from distill.encoding.token_rows import Budgets
from distill.model.prefix_cache import SharedPrefix
from distill.model.sampling import sample, sampling_config, seeded
from distill.on_policy.batches import GENERATED, OnPolicy, prompts_of
from distill.teachers.base import Teacher
from distill.training.config import ICLDistillConfig
from lm_eval_tasks.errors import UserError
from tests.patience import PATIENCE

ON_POLICY = {"lmbda": 1.0, "max_new_tokens": 7, "objective": "jsd", "distill_weight": 1.0}
TIMED = ("tokens_per_second", "train_runtime", "train_samples_per_second", "train_steps_per_second")


class Batches(TrainerCallback):
    """Keeps the batches that a trainer computes its loss on."""

    def __init__(self, trainer):
        self.seen = []
        self._compute = trainer.compute_loss
        trainer.compute_loss = self.compute_loss

    def compute_loss(self, model, inputs, **kwargs):
        self.seen.append({name: value.clone() for name, value in inputs.items()})
        return self._compute(model, inputs, **kwargs)


def trained(trainer):
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}


def logs(trainer):
    entries = [entry for entry in trainer.state.log_history if "loss" in entry]
    return [{name: value for name, value in entry.items() if name not in TIMED} for entry in entries]


def assert_same_weights(one, other):
    for name, value in trained(one).items():
        assert torch.equal(trained(other)[name], value), name


@pytest.mark.parametrize("lora", [True, False])
def test_the_student_trains_on_its_own_samples_under_the_teachers_eyes(
    make_trainer, make_model, data, tokenizer, lora
):
    trainer = make_trainer(lora, **ON_POLICY)
    batches, targets = Batches(trainer), []
    scored = trainer.teacher.targets
    trainer.teacher.targets = lambda batch: targets.append(scored(batch)) or targets[-1]
    # What the student writes is decided by the step's own seed: write it again, with the untrained weights.
    gold = DistillCollator.of(tokenizer)(data.train)
    trainer.train()
    (batch,), (found,) = batches.seen, targets
    order = [prompts_of(gold, "").index(prompt) for prompt in prompts_of(batch, "")]
    assert sorted(order) == list(range(8))
    untrained = make_trainer(lora, **ON_POLICY)
    untrained.model_wrapped = untrained.model
    (again,), counts = untrained.on_policy(
        [DistillCollator.of(tokenizer)([data.train[row] for row in order])], step=0
    )
    assert torch.equal(again["labels"], batch["labels"])
    lengths = (batch["labels"] != -100).sum(1)
    assert counts["generated_tokens"] == lengths.sum() != (gold["labels"] != -100).sum()
    # The labels are the generated tokens behind each prompt, the same for both readers.
    for row, labels in enumerate(batch["labels"]):
        prompt = prompts_of(batch, "")[row]
        answer = labels[labels != -100].tolist()
        assert batch["input_ids"][row].tolist()[: len(prompt) + len(answer)] == prompt + answer
        teachers = batch["teacher_labels"][row]
        assert teachers[teachers != -100].tolist() == answer
    teacher = make_model()
    expected = teacher(
        input_ids=batch["teacher_input_ids"], attention_mask=batch["teacher_attention_mask"]
    ).logits[predicting(batch["teacher_labels"])]
    assert (found.head.logits(found.hidden) - expected).abs().max() < 2e-4
    # The divergence alone is trained on; there is no gold cross-entropy to log.
    student = untrained.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    divergence = torch.nn.functional.kl_div(
        student[predicting(batch["labels"])].log_softmax(-1), expected.log_softmax(-1),
        log_target=True, reduction="sum",
    ) / lengths.sum()  # fmt: skip
    entry = logs(trainer)[0]
    assert entry["loss"] == pytest.approx(divergence.item(), rel=1e-4)
    assert "ce" not in entry
    assert entry["generated_tokens"] == lengths.sum()
    assert entry["generated_length"] == pytest.approx(lengths.double().mean().item())
    assert trainer.model.training


def test_what_no_batch_is_answered_anew_for_trains_bitwise_as_without(make_trainer):
    common = {"max_steps": 3, "per_device_train_batch_size": 2}
    plain = make_trainer(**common)
    plain.train()
    for lmbda in (0.0, 1e-9):
        other = make_trainer(lmbda=lmbda, **common)
        other.train()
        assert_same_weights(plain, other)
        ours, theirs = logs(other), logs(plain)
        assert [{name: entry[name] for name in theirs[0]} for entry in ours] == theirs


def test_lmbda_is_the_fraction_and_decisions_do_not_depend_on_history_or_process():
    make = partial(
        OnPolicy, seq_kd=False, writers={}, collator=DistillCollator(0), budgets=Budgets(None, None),
        stop_ids=frozenset(), seed=3,
    )  # fmt: skip
    who = [make(lmbda=0.3).author(step, index) for step in range(500) for index in range(4)]
    assert who.count("student") / len(who) == pytest.approx(0.3, abs=0.03)
    assert who == [make(lmbda=0.3, process=5).author(i // 4, i % 4) for i in range(2000)]
    assert {make(lmbda=1.0).author(step, 0) for step in range(50)} == {"student"}
    assert {make(lmbda=0.0).author(step, 0) for step in range(50)} == {"gold"}
    assert set(who) == {"student", "gold"}


def test_a_mixed_run_repeats_itself_and_resumes_bitwise(make_trainer, tmp_path):
    common = ON_POLICY | {
        "lmbda": 0.5, "max_steps": 6, "save_strategy": "steps", "save_steps": 3, "seed": 1,
        "gradient_accumulation_steps": 2, "per_device_train_batch_size": 2, "ce_weight": 1.0,
    }  # fmt: skip
    whole = make_trainer(output_dir=str(tmp_path / "whole"), **common)
    whole.train()
    authors = [whole.on_policy.author(step, index) for step in range(6) for index in range(2)]
    assert {"student", "gold"} == set(authors) == set(authors[6:])
    assert any("ce" in entry for entry in logs(whole))
    again = make_trainer(output_dir=str(tmp_path / "again"), **common)
    again.train()
    assert logs(again) == logs(whole)
    assert_same_weights(whole, again)
    resumed = make_trainer(output_dir=str(tmp_path / "resumed"), **common)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-3"))
    assert logs(resumed) == logs(whole)
    assert_same_weights(whole, resumed)
    other = make_trainer(output_dir=str(tmp_path / "other"), **common | {"seed": 5})
    other.train()
    assert logs(other) != logs(whole)


def test_the_teacher_writes_under_its_demonstrations(make_trainer, make_model, data, tokenizer):
    trainer = make_trainer(**ON_POLICY | {"lmbda": 0.0, "seq_kd": True, "temperature": 1e-4})
    batches = Batches(trainer)
    trainer.train()
    (batch,) = batches.seen
    assert GENERATED in batch
    # So cold, sampling is greedy.
    model = make_model()
    for row, prompt in enumerate(prompts_of(batch, "teacher_")):
        ids = torch.tensor([prompt])
        labels = batch["labels"][row]
        for token in labels[labels != -100].tolist():
            assert model(ids).logits[0, -1].argmax() == token
            ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    assert "ce" not in logs(trainer)[0]


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_an_answer_does_not_depend_on_padding_or_on_the_kept_prefix(make_model, make_tokenizer, data, kind):
    model = make_model(kind)
    config = sampling_config(max_new_tokens=12, temperature=1e-4, stop_ids=[2], pad_token_id=0)
    prompts = [row["teacher_prompt_ids"] for row in data.train[:4]]
    alone = [sample(model, [prompt], config)[0] for prompt in prompts]
    assert len({len(prompt) for prompt in prompts}) > 1
    assert sample(model, prompts, config) == alone
    with torch.no_grad():
        prefix = SharedPrefix.build(model, prefixes_of(data.train)[0], torch.device("cpu"))
    before = [layer.keys.clone() for layer in prefix.cache.layers]
    assert sample(model, prompts, config, prefix) == alone
    assert all(torch.equal(layer.keys, keys) for layer, keys in zip(prefix.cache.layers, before, strict=True))
    # A prompt that begins otherwise is read whole.
    assert sample(model, [*prompts[:1], data.train[1]["prompt_ids"]], config, prefix)[0] == alone[0]
    teacher = Teacher(model, model.get_output_embeddings(), prefixes=prefixes_of(data.train))
    assert teacher.sampled(prompts, config) == alone


def test_an_answer_ends_with_its_end_token_and_counts_as_truncated_without(make_trainer, data, tokenizer):
    answers = {"ended": [5, 6, 2], "cut": [5, 6, 7], "end": [2], "nothing": []}

    def rewritten(budgets, *names):
        policy = OnPolicy(
            lmbda=1.0, seq_kd=False, collator=DistillCollator.of(tokenizer), budgets=budgets, stop_ids={2},
            writers={"student": lambda prompts, **kwargs: [answers[name] for name in names]}, seed=0,
        )  # fmt: skip
        gold = DistillCollator.of(tokenizer)(data.train[: len(names)])
        (batch,), counts = policy([gold], step=0)
        return batch, counts, [row[row != -100].tolist() for row in batch["labels"]]

    no_limit = Budgets(None, None)
    _, counts, labels = rewritten(no_limit, "ended", "cut", "end", "nothing")
    assert labels == [[5, 6, 2], [5, 6, 7], [2]]
    assert counts == {"generated_rows": 3, "generated_tokens": 7, "truncated_rows": 1, "dropped_rows": 1}
    # Nothing at all: the gold answers stay, gold as they are.
    batch, counts, labels = rewritten(no_limit, "nothing", "nothing")
    assert labels == [row["completion_ids"] for row in data.train[:2]]
    assert (counts["dropped_rows"], GENERATED in batch) == (2, False)
    # Budgets cut an answer, or leave no room for one.
    student, teacher = (len(data.train[0][name]) for name in ("prompt_ids", "teacher_prompt_ids"))
    for budgets in (Budgets(student + 2, None), Budgets(None, teacher + 2)):
        _, counts, labels = rewritten(budgets, "ended")
        assert (labels, counts["truncated_rows"]) == ([[5, 6]], 1)
    for budgets in (Budgets(student - 1, None), Budgets(None, teacher)):
        _, counts, labels = rewritten(budgets, "ended")
        assert (labels[0], counts["dropped_rows"]) == (data.train[0]["completion_ids"], 1)


def test_all_micro_batches_of_a_step_are_answered_in_one_call(data, tokenizer):
    calls = []

    def write(prompts, *, step, seed):
        calls.append((len(prompts), step))
        return [[*prompt[-3:], 2] if number != 4 else [] for number, prompt in enumerate(prompts)]

    collate = DistillCollator.of(tokenizer)
    gold = [collate(data.train[begin : begin + 2]) for begin in (0, 2, 4, 6)]
    policy = OnPolicy(
        lmbda=0.5, seq_kd=True, collator=collate, budgets=Budgets(None, None), stop_ids=frozenset({2}),
        writers={"student": write, "teacher": write}, seed=0,
    )  # fmt: skip
    step = next(step for step in range(99) if policy.author(step, 0) != policy.author(step, 2))
    authors = [policy.author(step, index) for index in range(4)]
    written, counts = policy(gold, step=step)
    assert sorted(calls) == sorted((2 * authors.count(author), step) for author in set(authors))
    dropped = sum(1 for rows, _ in calls if rows > 4)
    assert counts["generated_rows"] == 8 - dropped
    for author, batch, before in zip(authors, written, gold, strict=True):
        prompts = prompts_of(before, "" if author == "student" else "teacher_")
        answers = [row[row != -100].tolist() for row in batch["labels"]]
        assert all(answer in [[*prompt[-3:], 2] for prompt in prompts] for answer in answers)
        assert prompts_of(batch, "")[-1] == prompts_of(before, "")[-1]


def test_sampling_stops_at_the_first_end_token_of_each_row(make_model, data):
    stops = range(20, 200)
    config = sampling_config(max_new_tokens=9, temperature=1.0, stop_ids=stops, pad_token_id=0)
    prompts = [row["prompt_ids"] for row in data.train]
    with seeded(0, torch.device("cpu")):
        answers = sample(make_model(), prompts, config)
    assert len({len(answer) for answer in answers}) > 2
    for answer in answers:
        assert not set(answer[:-1]) & set(stops)
        assert answer[-1] in stops or len(answer) == 9


def test_drawing_leaves_torchs_own_numbers_alone():
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    with seeded(7, torch.device("cpu")):
        drawn = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with seeded(7, torch.device("cpu")):
        assert torch.equal(torch.rand(3), drawn)


def test_two_processes_decide_alike_and_neither_waits_forever(model_dir, data, tmp_path):
    torch.save(data.train, tmp_path / "rows.pt")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    worker = Path(__file__).with_name("on_policy_worker.py")
    done = subprocess.run(
        [*launcher, str(worker), str(model_dir), str(tmp_path / "rows.pt"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("sharded lora", "sharded full", "trained"):
        assert done.stdout.count(f"{part}: as one process") == 2, done.stdout + done.stderr


def test_truncation_is_logged_and_every_end_token_ends(make_trainer, make_model, data, tokenizer):
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    trainer = make_trainer(**ON_POLICY | {"max_new_tokens": 3})
    assert trainer.on_policy.stop_ids >= {end, data.train[0]["completion_ids"][-1]}
    batches = Batches(trainer)
    trainer.train()
    answers = [row[row != -100].tolist() for row in batches.seen[0]["labels"]]
    assert max(map(len, answers)) == 3
    cut = [answer[-1] not in trainer.on_policy.stop_ids for answer in answers]
    assert logs(trainer)[0]["truncated"] == pytest.approx(sum(cut) / len(cut))
    assert logs(trainer)[0]["dropped_rows"] == 0


def test_gradient_checkpointing_changes_nothing(make_trainer):
    plain, saving = make_trainer(**ON_POLICY), make_trainer(gradient_checkpointing=True, **ON_POLICY)
    for trainer in (plain, saving):
        trainer.train()
    ours, theirs = logs(saving)[0], logs(plain)[0]
    assert ours["generated_tokens"] == theirs["generated_tokens"]
    for name in ("loss", "grad_norm"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4)
    assert saving.model.is_gradient_checkpointing


def test_a_moving_average_teacher_writes_too(make_trainer):
    trainer = make_trainer(
        **ON_POLICY | {"lmbda": 0.5, "seq_kd": True, "teacher": "ema", "max_steps": 3, "seed": 1}
    )
    trainer.train()
    assert {"student", "teacher"} == {trainer.on_policy.author(step, 0) for step in range(3)}
    for entry in logs(trainer):
        assert entry["generated_tokens"] > 0
        assert "ce" not in entry


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lmbda": 1.5}, "lmbda: 1.5 cannot be used; give a number from 0 to 1"),
        ({"lmbda": 0.5, "max_new_tokens": 0}, "max_new_tokens: 0"),
        ({"lmbda": 0.5, "distill_weight": 0.0}, "distill_weight: 0.0 .* divergence alone"),
        ({"use_vllm": True}, "use_vllm: True .* set lmbda above 0"),
        ({"vllm_mode": "remote"}, "vllm_mode: 'remote' .* colocate, server"),
    ],
)
def test_impossible_settings_are_named(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        ICLDistillConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **settings)
