"""Mixtures of experts are trained as by TRL's SFTTrainer; and what is trained, and averaged, is float32."""

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM
from trl import ModelConfig, SFTConfig, SFTTrainer

from distill.encoding.collator import IGNORED
from distill.model.sharding import check_trained_dtypes
from distill.teachers.base import Teacher
from distill.teachers.models import MovingAverage
from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.launch import prepare
from lm_eval_tasks.errors import UserError


def mixture(vocabulary):
    torch.manual_seed(0)
    config = Qwen3MoeConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2, head_dim=8,
        num_attention_heads=4, num_key_value_heads=2, num_experts=4, num_experts_per_tok=2,
        moe_intermediate_size=32, initializer_range=0.2, router_aux_loss_coef=0.5, pad_token_id=0,
    )  # fmt: skip
    return Qwen3MoeForCausalLM(config)


def first_log(trainer):
    trainer.train()
    return trainer.state.log_history[0]


@pytest.mark.parametrize(("per_device", "accumulation"), [(8, 1), (4, 2)])
def test_the_auxiliary_loss_is_that_of_sft(
    make_trainer, base_tokenizer, make_tokenizer, data, tmp_path, monkeypatch, per_device, accumulation
):
    sizes = {
        "per_device_train_batch_size": per_device, "gradient_accumulation_steps": accumulation,
        "max_grad_norm": 1e9,
    }  # fmt: skip
    rows = [
        {
            "input_ids": row["prompt_ids"] + row["completion_ids"],
            "labels": [IGNORED] * len(row["prompt_ids"]) + row["completion_ids"],
        }
        for row in data.train
    ]
    args = SFTConfig(
        str(tmp_path / "sft"), max_steps=1, logging_steps=1, report_to="none", use_cpu=True, bf16=False,
        gradient_checkpointing=False, max_length=None, disable_tqdm=True, save_strategy="no", **sizes,
    )  # fmt: skip
    vocabulary = base_tokenizer.get_vocab_size()
    sft = SFTTrainer(
        mixture(vocabulary), args, processing_class=make_tokenizer(), train_dataset=Dataset.from_list(rows)
    )
    expected = first_log(sft)

    def run(*_):
        raise AssertionError("distill_weight is 0, and the teacher was run")

    monkeypatch.setattr(Teacher, "targets", run)
    ours = make_trainer(lora=False, model=mixture(vocabulary), distill_weight=0.0, **sizes)
    assert ours.packed
    found = first_log(ours)
    assert expected["aux_loss"] > 1
    assert found["aux_loss"] == pytest.approx(expected["aux_loss"], rel=1e-5)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-4)
    assert "divergence" not in found


def test_a_mixture_is_distilled(make_trainer, base_tokenizer):
    trainer = make_trainer(model=mixture(base_tokenizer.get_vocab_size()))
    assert trainer.teacher.shares_prefix
    log = first_log(trainer)
    assert log["loss"] == pytest.approx(log["ce"] + 0.5 * log["divergence"] + 0.5 * log["aux_loss"], rel=1e-4)


def test_weights_in_half_precision_are_not_trained(make_trainer, make_model):
    with pytest.raises(UserError, match=r"dtype: bfloat16.*Set dtype: float32.*use_peft: true"):
        make_trainer(lora=False, model=make_model().bfloat16())
    adapted = make_trainer(lora=True, model=make_model().bfloat16())
    assert first_log(adapted)["grad_norm"] > 0
    check_trained_dtypes(make_model().bfloat16(), deepspeed=True)


def test_a_moving_average_is_kept_in_float32():
    student = nn.Linear(4, 4, bias=False).bfloat16()
    nn.init.ones_(student.weight)
    average = MovingAverage(student, decay=0.999)
    student.weight.data += 1
    for _ in range(1000):
        average.on_step_end(None, None, type("Control", (), {"should_save": False}))
    with average.active():
        assert student.weight.dtype == torch.bfloat16
        # In bfloat16 the first step would already have been rounded away.
        torch.testing.assert_close(
            student.weight.float(), torch.full((4, 4), 2 - 0.999**1000), atol=0.01, rtol=0
        )
    assert (student.weight == 2).all()


@pytest.mark.parametrize(
    ("key", "value"),
    [("label_smoothing_factor", 0.1), ("loss_type", "dft"), ("pad_to_multiple_of", 8)],
)
def test_keys_that_would_do_nothing_are_refused(tmp_path, key, value):
    with pytest.raises(UserError, match=f"{key}: .*SFT knows it and distillation does not"):
        ICLDistillConfig(str(tmp_path), use_cpu=True, bf16=False, **{key: value})


def test_no_foreign_code_is_run(tmp_path):
    args = ICLDistillConfig(str(tmp_path), use_cpu=True, bf16=False, trust_remote_code=True)
    with pytest.raises(UserError, match="trust_remote_code: code out of a model's repository"):
        prepare(DataArguments(task="gsm8k", data="sample"), ModelConfig("demo"), args, {})
