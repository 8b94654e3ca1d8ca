"""The real launchers, in processes of their own, on a tiny model."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
SETTINGS = {
    "task": "gsm8k", "data": "sample", "num_fewshot": 2, "eval_rows": 5, "max_train_rows": 24,
    "max_length": 400, "teacher_max_length": 2000, "dtype": "float32", "use_peft": True, "lora_r": 4,
    "lora_dropout": 0.0, "lora_target_modules": ["q_proj", "v_proj"], "max_steps": 4, "save_steps": 2,
    "logging_steps": 1, "per_device_train_batch_size": 4, "gradient_checkpointing": False, "bf16": False,
    "use_cpu": True, "report_to": "none", "learning_rate": "1e-2", "warmup_steps": 0, "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory, model_dir):
    path = tmp_path_factory.mktemp("configs") / "base.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | {"model_name_or_path": str(model_dir)}))
    return path


@pytest.fixture(scope="module")
def overlay(base):
    path = base.with_name("overlay.yaml")
    path.write_text("objective: topk_mse\ntop_k: 20\n")
    return path


def launch(*words, processes=1, expect=0):
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    done = subprocess.run(
        [*launcher, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def launch_here(monkeypatch, *words):
    """The same without a process's time to load the libraries; the exit code."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    try:
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    return 0


def history(checkpoint):
    return json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]


def values(checkpoint, name):
    return [entry[name] for entry in history(checkpoint) if name in entry]


@pytest.fixture(scope="module")
def distilled(base, overlay, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "online_v1"
    text = launch(
        "trl_recipes/distill.py", "--base_config", base, "--config", overlay, "--output_dir", output
    )
    return output, text


def test_distillation_leaves_all_that_is_needed_to_use_and_repeat_it(distilled, model_dir):
    output, text = distilled
    assert "world size 1" in text
    for step in (2, 4):
        names = {path.name for path in (output / f"checkpoint-{step}").iterdir()}
        assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "optimizer.pt"} <= names
    settings = yaml.safe_load((output / "run_config.yaml").read_text())
    assert settings["top_k"] == 20
    assert settings["model_name_or_path"] == str(model_dir)
    provenance = json.loads((output / "provenance.json").read_text())
    assert provenance["data"]["num_fewshot"] == 2
    assert [len(ids) for ids in provenance["data"]["demonstration_ids"]] == [2]
    assert len(provenance["data"]["fingerprint"]) == 16
    assert provenance["versions"]["trl"]
    assert (output / "tokenizer.json").is_file()
    divergence = json.loads((output / "divergence.json").read_text())["steps"]
    assert list(divergence) == ["0", "2", "4"]
    assert values(output / "checkpoint-4", "eval_kl_teacher") == [
        d["kl_teacher"] for d in divergence.values()
    ]
    assert values(output / "checkpoint-4", "train_rows") == [24]
    assert len(values(output / "checkpoint-4", "loss")) == 4


def test_two_processes_train_as_one_does(distilled, base, overlay, tmp_path):
    text = launch(
        "trl_recipes/distill.py", "--base_config", base, "--config", overlay, "--output_dir", tmp_path,
        "--per_device_train_batch_size", "2", "--per_device_eval_batch_size", "1", processes=2,
    )  # fmt: skip
    assert "world size 2" in text
    # Of five held-out rows one process has three, and the other runs one more that counts for nobody.
    ours, theirs = (json.loads((f / "divergence.json").read_text()) for f in (tmp_path, distilled[0]))
    assert ours["rows"] == theirs["rows"] and len(ours["rows"]["id"]) == SETTINGS["eval_rows"]
    for step, found in ours["steps"].items():
        assert found["kl_teacher_rows"] == pytest.approx(theirs["steps"][step]["kl_teacher_rows"], rel=1e-3)
    one, two = distilled[0] / "checkpoint-4", tmp_path / "checkpoint-4"
    for name in ("loss", "grad_norm", "ce", "divergence", "eval_kl_teacher"):
        assert values(two, name) == pytest.approx(values(one, name), rel=1e-4), name


def test_a_killed_run_ends_as_an_uninterrupted_one(distilled, base, overlay, tmp_path, monkeypatch):
    words = [
        "trl_recipes/distill.py", "--base_config", base, "--config", overlay, "--output_dir", tmp_path,
        "--resume_from_checkpoint",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL
    )
    state = tmp_path / "checkpoint-2" / "trainer_state.json"
    while not (state.is_file() and state.read_text().rstrip().endswith("}")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    # As if it had been killed while it wrote a further one.
    shutil.rmtree(tmp_path / "checkpoint-4", ignore_errors=True)
    shutil.copytree(tmp_path / "checkpoint-2", tmp_path / "checkpoint-3")
    (tmp_path / "checkpoint-3" / "trainer_state.json").write_text('{"global_step": 3')
    assert launch_here(monkeypatch, *words) == 0
    whole, resumed = distilled[0] / "checkpoint-4", tmp_path / "checkpoint-4"
    name = "adapter_model.safetensors"
    assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    timed = {"tokens_per_second"}
    ours, theirs = (
        [{k: v for k, v in entry.items() if k not in timed} for entry in history(path)]
        for path in (resumed, whole)
    )
    assert ours == theirs


def test_sft_trains_on_the_same_rows_and_is_measured_alike(distilled, base, tmp_path, monkeypatch):
    assert launch_here(monkeypatch, "trl_recipes/sft.py", "--config", base, "--output_dir", tmp_path) == 0
    sft, online = tmp_path / "checkpoint-4", distilled[0] / "checkpoint-4"
    assert len(values(sft, "loss")) == 4
    ours, theirs = (json.loads((p / "provenance.json").read_text()) for p in (tmp_path, distilled[0]))
    assert ours["data"] == theirs["data"]
    # Before training both are the same model, seen by the same meter.
    assert values(sft, "eval_kl_teacher")[0] == pytest.approx(values(online, "eval_kl_teacher")[0], rel=1e-5)
    assert values(sft, "loss")[0] == pytest.approx(values(online, "ce")[0], rel=1e-4)


@pytest.mark.parametrize("control", ["zero", "shuffled"])
def test_controls_are_one_option_and_measured_against_the_real_teacher(
    distilled, base, overlay, tmp_path, control, monkeypatch
):
    files = ["--base_config", base, "--config", overlay, "--output_dir", tmp_path]
    words = ["trl_recipes/distill.py", *files, "--demonstrations", control]
    assert launch_here(monkeypatch, *words) == 0
    steps, real = (
        json.loads((folder / "divergence.json").read_text())["steps"] for folder in (tmp_path, distilled[0])
    )
    assert steps["0"] == real["0"]
    assert steps["2"]["kl_teacher"] != real["2"]["kl_teacher"]
    record = json.loads((tmp_path / "provenance.json").read_text())["data"]
    assert record["demonstrations"] == control
    assert record["train"]["rows"] == SETTINGS["max_train_rows"]


def test_a_launcher_is_a_module_as_well_and_complains_in_one_paragraph(base, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("objectiv: jsd\n")
    text = launch("-m", "trl_recipes.distill", "--base_config", base, "--config", bad, expect=2)
    assert "bad.yaml: unknown key 'objectiv'; did you mean 'objective'" in text
    assert "Traceback" not in text
