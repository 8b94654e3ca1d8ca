"""A run goes on only with the settings that shaped its weights so far."""

import json
from dataclasses import fields

import pytest
from trl import ModelConfig, SFTConfig

from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.provenance import FILE, SHAPES_WEIGHTS, check_same_run, describe
from lm_eval_tasks.errors import UserError

MAY_CHANGE = {"shared_prefix", "loss_chunk_tokens", "loss_kernel", "ddp_find_unused_parameters"}
"""Our own keys that alter speed and memory alone; `vllm_` keys say where the engine runs."""


@pytest.fixture
def run(tmp_path):
    def make(data=None, model="tiny", world_size=1, model_settings=None, **settings):
        common = {"output_dir": str(tmp_path), "use_cpu": True, "bf16": False}
        return describe(
            model=model, revision="main", seed=3, world_size=world_size, trainer="ICLDistillTrainer",
            data={"num_fewshot": 8, "train": {"rows": 24}} | (data or {}), resumed=False,
            settings=(
                DataArguments(task="gsm8k"),
                ModelConfig(**model_settings or {}),
                ICLDistillConfig(**common | settings),
            ),
        )  # fmt: skip

    (tmp_path / FILE).write_text(json.dumps(make()))
    return make


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "jsd"}, "objective 'topk_mse', and this one has 'jsd'"),
        ({"learning_rate": 1e-3}, "learning_rate 2e-05, and this one has 0.001"),
        ({"teacher": "ema"}, "teacher 'self', and this one has 'ema'"),
        ({"lmbda": 0.5}, "lmbda 0.0, and this one has 0.5"),
        ({"lr_scheduler_type": "cosine"}, "lr_scheduler_type 'linear', and this one has 'cosine'"),
        ({"gradient_accumulation_steps": 4}, "gradient_accumulation_steps 1, and this one has 4"),
        ({"model_settings": {"lora_r": 4}}, "lora_r 16, and this one has 4"),
        ({"world_size": 2}, "world_size 1, and this one has 2"),
        ({"model": "other"}, "model 'tiny', and this one has 'other'"),
        ({"data": {"num_fewshot": 4}}, "num_fewshot 8, and this one has 4"),
    ],
)
def test_what_shapes_the_weights_must_stay(run, tmp_path, changes, message):
    with pytest.raises(UserError, match="resume_from_checkpoint") as caught:
        check_same_run(run(**changes), tmp_path / FILE)
    assert message in str(caught.value)
    assert str(caught.value).count("and this one has") == 1


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_number_of_steps_shapes_a_falling_learning_rate(run, tmp_path, schedule):
    (tmp_path / FILE).write_text(json.dumps(run(lr_scheduler_type=schedule, max_steps=600)))
    with pytest.raises(UserError, match="max_steps 600, and this one has 1000"):
        check_same_run(run(lr_scheduler_type=schedule, max_steps=1000), tmp_path / FILE)
    check_same_run(run(lr_scheduler_type=schedule, max_steps=600, num_train_epochs=7), tmp_path / FILE)
    with pytest.raises(UserError, match=r"num_train_epochs 3\.0, and this one has 7"):
        (tmp_path / FILE).write_text(json.dumps(run(lr_scheduler_type=schedule)))
        check_same_run(run(lr_scheduler_type=schedule, num_train_epochs=7), tmp_path / FILE)


def test_what_does_not_may_change(run, tmp_path):
    (tmp_path / FILE).write_text(json.dumps(run(lr_scheduler_type="constant")))
    changed = run(
        lr_scheduler_type="constant", max_steps=500, num_train_epochs=9, logging_steps=1, save_steps=7,
        save_total_limit=2, report_to="tensorboard", output_dir=str(tmp_path / "elsewhere"),
        gradient_checkpointing=False, shared_prefix=False, loss_chunk_tokens=64,
        per_device_eval_batch_size=2, push_to_hub=True, dataloader_num_workers=2,
    )  # fmt: skip
    check_same_run(changed, tmp_path / FILE)
    check_same_run(run(), tmp_path / "elsewhere" / FILE)


def test_a_run_of_an_earlier_version_is_compared_as_far_as_it_goes(run, tmp_path):
    before = run()
    del before["settings"]["lmbda"]
    (tmp_path / FILE).write_text(json.dumps(before))
    check_same_run(run(lmbda=0.5), tmp_path / FILE)
    del before["settings"]
    (tmp_path / FILE).write_text(json.dumps(before))
    check_same_run(run(objective="jsd"), tmp_path / FILE)


def test_every_key_of_our_own_is_on_one_side():
    theirs = {field.name for field in fields(SFTConfig)}
    ours = {field.name for field in fields(ICLDistillConfig)} - theirs
    vllm = {name for name in ours if name.startswith("vllm_")}
    assert ours - set(SHAPES_WEIGHTS) - vllm == MAY_CHANGE & ours, "say which side a new key is on"


def test_every_name_exists():
    known = {field.name for kind in (DataArguments, ModelConfig, ICLDistillConfig) for field in fields(kind)}
    assert set(SHAPES_WEIGHTS) <= known
    assert len(set(SHAPES_WEIGHTS)) == len(SHAPES_WEIGHTS)
