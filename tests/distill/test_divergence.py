import pytest
import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model

from distill.encoding.collator import DistillCollator, predicting
from distill.model.output_head import check_head
from distill.teachers.models import self_teacher
from distill.training.config import DataArguments
from distill.training.data import load_training_data
from distill.training.held_out import MEASURED, DivergenceMeter


@pytest.fixture(scope="module")
def data(make_tokenizer):
    args = DataArguments(benchmark="gsm8k", data="sample", num_fewshot=2, eval_rows=5, max_train_rows=1)
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
    teacher = self_teacher(model, head, prefixes=data.held_out_prefixes)
    meter = DivergenceMeter(data.held_out, DistillCollator.of(tokenizer), teacher, batch_size=batch_size)
    for _ in range(2):
        measured = meter.measure(model, head, Accelerator(cpu=True))
        assert tuple(measured) == MEASURED
        for name, value in expected.items():
            assert measured[name] == pytest.approx(value.item(), rel=1e-4, abs=1e-5), name


def test_the_untrained_student_is_the_zero_shot_teacher(make_model, tokenizer, data):
    model = make_model()
    head = check_head(model)
    teacher = self_teacher(model, head, prefixes=data.held_out_prefixes)
    meter = DivergenceMeter(data.held_out, DistillCollator.of(tokenizer), teacher, batch_size=3)
    measured = meter.measure(model, head, Accelerator(cpu=True))
    assert measured["kl_zero_shot"] == pytest.approx(0, abs=1e-6)
    assert measured["kl_teacher"] > 0.01
