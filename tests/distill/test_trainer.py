"""The trainer on tiny models: what its loss is, and that nothing but the rows decides it."""

import json

import pytest
import torch
from transformers import TrainerCallback

from distill.encoding.collator import DistillCollator, predicting


class Gradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def step(trainer):
    """The loss, gradients and logs of one training step."""
    gradients = Gradients()
    trainer.add_callback(gradients)
    trainer.train()
    return trainer.state.log_history[0], gradients.grads


@pytest.mark.parametrize("lora", [True, False])
@pytest.mark.parametrize("objective", ["topk_mse", "jsd"])
def test_loss_and_gradients_equal_a_naive_computation(
    make_trainer, make_model, data, lora, objective, tokenizer
):
    logs, grads = step(make_trainer(lora, objective=objective, max_grad_norm=0.0))
    batch = DistillCollator.of(tokenizer)(data.train)
    reference = make_trainer(lora, objective=objective).model
    teacher = (
        make_model()(input_ids=batch["teacher_input_ids"], attention_mask=batch["teacher_attention_mask"])
        .logits[predicting(batch["teacher_labels"])]
        .detach()
    )
    student = reference(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    student = student[predicting(batch["labels"])]
    answers = torch.cat([torch.tensor(row["completion_ids"]) for row in data.train])
    ce = torch.nn.functional.cross_entropy(student, answers)
    if objective == "topk_mse":
        top = teacher.topk(20)
        divergence = (student.gather(-1, top.indices) - top.values).square().mean()
    else:
        divergence = torch.nn.functional.kl_div(
            student.log_softmax(-1), teacher.log_softmax(-1), log_target=True, reduction="sum"
        ) / len(answers)
    loss = ce + 0.5 * divergence
    loss.backward()
    assert logs["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert logs["ce"] == pytest.approx(ce.item(), rel=1e-5)
    assert logs["divergence"] == pytest.approx(divergence.item(), rel=1e-4)
    assert logs["top1_agreement"] == pytest.approx(
        (student.argmax(-1) == teacher.argmax(-1)).float().mean().item()
    )
    assert logs["tokens_per_second"] > 0
    expected = {name: p.grad for name, p in reference.named_parameters() if p.grad is not None}
    assert set(grads) == set(expected)
    for name, grad in grads.items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-3, atol=1e-5)


def test_order_and_company_of_rows_change_nothing(make_trainer, data):
    forward, _ = step(make_trainer())
    backward, _ = step(make_trainer(rows=data.train[::-1]))
    assert backward["loss"] == pytest.approx(forward["loss"], rel=1e-5)
    alone = [step(make_trainer(rows=[row]))[0] for row in data.train]
    tokens = [len(row["completion_ids"]) for row in data.train]
    mean = sum(logs["loss"] * count for logs, count in zip(alone, tokens, strict=True)) / sum(tokens)
    assert mean == pytest.approx(forward["loss"], rel=1e-5)


def test_padding_side_changes_nothing(make_trainer, data, tokenizer):
    trainer = make_trainer()
    batch = DistillCollator.of(tokenizer)(data.train)
    right = trainer.compute_loss(trainer.model, dict(batch))
    left = dict(batch)
    lengths = batch["attention_mask"].sum(1).tolist()
    for name in ("input_ids", "attention_mask", "labels"):
        left[name] = torch.stack(
            [row.roll(len(row) - n) for row, n in zip(batch[name], lengths, strict=True)]
        )
    torch.testing.assert_close(trainer.compute_loss(trainer.model, left), right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("objective", "lora"), [("topk_mse", True), ("jsd", True), ("topk_kl", False)])
def test_a_teacher_in_the_students_own_context_costs_nothing(make_trainer, data, objective, lora):
    rows = [row | {"teacher_prompt_ids": row["prompt_ids"]} for row in data.train]
    logs, grads = step(make_trainer(lora, rows=rows, objective=objective, ce_weight=0.0, distill_weight=1.0))
    assert logs["divergence"] == pytest.approx(0, abs=1e-5)
    assert logs["top1_agreement"] == 1
    assert all(grad.abs().max() < 1e-3 for grad in grads.values())


def test_misaligned_answers_are_noticed(make_trainer, data, tokenizer):
    trainer = make_trainer()
    batch = DistillCollator.of(tokenizer)(data.train)
    batch["teacher_labels"] = batch["teacher_labels"].roll(1, dims=0)
    with pytest.raises(AssertionError, match="answer's token ids differ"):
        trainer.compute_loss(trainer.model, batch)


def test_a_row_without_an_answer_is_refused(data, tokenizer):
    with pytest.raises(ValueError, match="at least one answer token"):
        DistillCollator.of(tokenizer)([data.train[0] | {"completion_ids": []}])


def test_labels_are_the_answer_and_nothing_else(data, tokenizer):
    batch = DistillCollator.of(tokenizer)(data.train)
    for prefix in ("", "teacher_"):
        for row, labels, ids in zip(
            data.train, batch[f"{prefix}labels"], batch[f"{prefix}input_ids"], strict=True
        ):
            begin, end = (
                len(row[f"{prefix}prompt_ids"]),
                len(row[f"{prefix}prompt_ids"] + row["completion_ids"]),
            )
            assert labels[begin:end].tolist() == ids[begin:end].tolist() == row["completion_ids"]
            assert (labels[:begin] == -100).all()
            assert (labels[end:] == -100).all()


def test_the_teacher_does_not_move_while_the_student_learns(make_trainer, data, tokenizer):
    for lora in (True, False):
        trainer = make_trainer(lora, max_steps=3)
        batch = DistillCollator.of(tokenizer)(data.train)
        before = trainer.teacher.targets(batch).hidden.clone()
        trainer.train()
        assert torch.equal(trainer.teacher.targets(batch).hidden, before)
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        assert losses[-1] < losses[0]


def test_gradient_checkpointing_changes_nothing(make_trainer):
    plain, _ = step(make_trainer())
    saving, _ = step(make_trainer(gradient_checkpointing=True))
    assert saving["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    assert saving["grad_norm"] == pytest.approx(plain["grad_norm"], rel=1e-4)


def test_a_continued_run_ends_where_an_uninterrupted_one_does(make_trainer, data, tmp_path):
    def weights(trainer):
        return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}

    def logs(trainer):
        timed = ("tokens_per_second", "train_runtime")
        entries = [entry for entry in trainer.state.log_history if "loss" in entry]
        return [{k: v for k, v in entry.items() if k not in timed} for entry in entries]

    common = {"max_steps": 6, "save_strategy": "steps", "save_steps": 3, "per_device_train_batch_size": 2}
    whole = make_trainer(output_dir=str(tmp_path / "whole"), **common)
    whole.train()
    continued = make_trainer(output_dir=str(tmp_path / "continued"), **common)
    continued.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-3"))
    assert logs(continued) == logs(whole)
    for name, value in weights(whole).items():
        assert torch.equal(weights(continued)[name], value), name
    state = json.loads((tmp_path / "continued" / "checkpoint-6" / "trainer_state.json").read_text())
    assert state["global_step"] == 6
    assert (tmp_path / "continued" / "checkpoint-6" / "tokenizer.json").is_file()


@pytest.mark.parametrize("lora", [True, False])
def test_a_moving_average_teaches_and_goes_on_after_a_resume(make_trainer, data, tokenizer, tmp_path, lora):
    common = {
        "teacher": "ema", "ema_decay": 0.5, "max_steps": 4, "save_strategy": "steps", "save_steps": 2,
        "per_device_train_batch_size": 2,
    }  # fmt: skip
    whole = make_trainer(lora, output_dir=str(tmp_path / "whole"), **common)
    batch = DistillCollator.of(tokenizer)(data.train)
    before = whole.teacher.targets(batch).hidden.clone()
    whole.train()
    trained = {name: p.detach().clone() for name, p in whole.model.named_parameters() if p.requires_grad}
    after = whole.teacher.targets(batch).hidden
    assert (after - before).abs().max() > 1e-3
    for name, parameter in whole.model.named_parameters():
        if parameter.requires_grad:  # the teacher's pass has put the student's weights back
            assert torch.equal(parameter, trained[name])
    continued = make_trainer(lora, output_dir=str(tmp_path / "continued"), **common)
    continued.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    torch.testing.assert_close(continued.teacher.targets(batch).hidden, after, rtol=0, atol=0)
    for name, parameter in continued.model.named_parameters():
        if parameter.requires_grad:
            assert torch.equal(parameter, trained[name])
