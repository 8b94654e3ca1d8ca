import json

import pytest
import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model

from distill.encoding.collator import DistillCollator, predicting
from distill.encoding.prefixes import prefixes_of
from distill.evaluation.checkpoints import best_step
from distill.evaluation.divergence import read_divergence
from distill.evaluation.token_divergence import read_token_divergence
from distill.model.output_head import check_head
from distill.teachers.models import self_teacher
from distill.training.config import DataArguments
from distill.training.data import load_training_data
from distill.training.held_out import (
    MEASURED,
    DivergenceCallback,
    DivergenceMeter,
    _without_progress,
)


@pytest.fixture(scope="module")
def data(make_tokenizer):
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=2, eval_rows=5, max_train_rows=1)
    return load_training_data(args, make_tokenizer("chatml"), max_length=None, seed=0)


def logits(model, batch, prefix):
    with torch.no_grad():
        out = model(
            input_ids=batch[f"{prefix}input_ids"], attention_mask=batch[f"{prefix}attention_mask"]
        ).logits
    return out[predicting(batch[f"{prefix}labels"])]


@pytest.mark.parametrize("batch_size", [2, 5])
def test_it_measures_what_it_says(make_model, tokenizer, data, batch_size):
    batch = DistillCollator.of(tokenizer)(data.held_out)
    few_shot, zero_shot = (logits(make_model(), batch, prefix).log_softmax(-1) for prefix in ("teacher_", ""))
    config = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    model = get_peft_model(make_model(), config).eval()
    student = logits(model, batch, "").log_softmax(-1)
    answers = batch["labels"][batch["labels"] != -100]
    expected = {
        "kl_teacher": (few_shot.exp() * (few_shot - student)).sum(-1).mean(),
        "kl_zero_shot": (zero_shot.exp() * (zero_shot - student)).sum(-1).mean(),
        "top1_agreement": (few_shot.argmax(-1) == student.argmax(-1)).double().mean(),
        "ce": -student.gather(-1, answers[:, None]).mean(),
        "student_entropy": -(student.exp() * student).sum(-1).mean(),
        "teacher_entropy": -(few_shot.exp() * few_shot).sum(-1).mean(),
    }
    head = check_head(model)
    teacher = self_teacher(model, head, prefixes=prefixes_of(data.held_out))
    meter = DivergenceMeter(data.held_out, DistillCollator.of(tokenizer), teacher, batch_size=batch_size)
    for _ in range(2):
        means, kl_rows, tokens, kl_tokens = meter.measure(model, head, Accelerator(cpu=True))
        assert tuple(means) == MEASURED
        for name, value in expected.items():
            assert means[name] == pytest.approx(value.item(), rel=1e-4, abs=1e-5), name
        # One sum per row, in the order in which the rows were given.
        assert tokens == [len(row["completion_ids"]) for row in data.held_out]
        own = (few_shot.exp() * (few_shot - student)).sum(-1).split(tokens)
        assert kl_rows == pytest.approx([row.sum().item() for row in own], rel=1e-4, abs=1e-5)
        for row, found in zip(own, kl_tokens, strict=True):
            assert found == pytest.approx(row.tolist(), rel=1e-3, abs=1e-5)
        assert meter.ids == [row["id"] for row in data.held_out]


def test_the_untrained_student_is_the_zero_shot_teacher(make_model, tokenizer, data):
    model = make_model()
    head = check_head(model)
    teacher = self_teacher(model, head, prefixes=prefixes_of(data.held_out))
    meter = DivergenceMeter(data.held_out, DistillCollator.of(tokenizer), teacher, batch_size=3)
    measured = meter.measure(model, head, Accelerator(cpu=True)).means
    assert measured["kl_zero_shot"] == pytest.approx(0, abs=1e-6)
    assert measured["kl_teacher"] > 0.01


def steps_of(*values):
    return {str(10 * i): {"kl_teacher": value} for i, value in enumerate(values)}


@pytest.mark.parametrize(
    ("values", "waited"),
    [
        ((1.0,), 0),
        ((1.0, 0.5), 0),
        ((1.0, 0.5, 0.5), 1),
        ((1.0, 0.5, 0.6, 0.7), 2),
        ((1.0, 0.5, 0.6, 0.4), 0),
    ],
)
def test_progress_is_a_new_lowest_divergence(values, waited):
    assert _without_progress(steps_of(*values)) == waited


def test_the_best_step_is_the_lowest_after_training_began(tmp_path):
    saved = [10, 20, 30]
    assert best_step(saved, tmp_path) == 30  # nothing was measured: the last
    for values, best in [((0.1, 0.5), 10), ((1.0, 0.4, 0.2, 0.3), 20), ((1.0, 0.2, 0.2), 10)]:
        (tmp_path / "divergence.json").write_text(json.dumps({"steps": steps_of(*values)}))
        assert best_step(saved, tmp_path) == best


def test_training_ends_where_the_divergence_no_longer_falls(make_trainer, data, tmp_path):
    """A learning rate that is far too high: the divergence rises from the first step on."""
    trainer = make_trainer(max_steps=9, save_strategy="steps", save_steps=1, learning_rate=5.0)
    head = check_head(trainer.model)
    meter = DivergenceMeter(
        data.held_out,
        DistillCollator.of(trainer.processing_class),
        self_teacher(trainer.model, head, prefixes=[]),
        batch_size=5,
    )
    texts = [[f"{token} " for token in answer] for answer in meter.answers]
    callback = DivergenceCallback(trainer, meter, head, str(tmp_path), early_stop=2, texts=texts)
    trainer.add_callback(callback)
    trainer.train()
    assert trainer.state.global_step < 9
    steps = json.loads((tmp_path / "divergence.json").read_text())["steps"]
    assert _without_progress(steps) == 2
    found = read_divergence(tmp_path)
    assert [name for name, _ in found.rows] == [row["id"] for row in data.held_out]
    assert found.sums.keys() == found.means.keys()
    tokens = sum(count for _, count in found.rows)
    for step, mean in found.means.items():
        assert sum(found.sums[step]) / tokens == pytest.approx(mean)
    each = read_token_divergence(tmp_path)
    assert each.step == best_step([step for step in found.means if step], tmp_path)
    assert [[text for text, _, _ in row] for row in each.rows] == texts
    for column, step in ((1, 0), (2, each.step)):
        values = [value[column] for row in each.rows for value in row]
        assert sum(values) / tokens == pytest.approx(found.means[step], rel=1e-3)
