"""The real launcher, in a process of its own, on a tiny random model: three steps and a continuation."""

import json
import os
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lm_eval_tasks.benchmarks.rlvr.data import load_rlvr
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources import open_source

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "data": "sample", "num_train_examples": 16, "dtype": "float32", "max_steps": 3, "save_steps": 2,
    "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 8, "logging_steps": 1,
    "gradient_checkpointing": False, "bf16": False, "use_cpu": True, "report_to": "none", "seed": 3,
    "learning_rate": "1e-3", "use_peft": True, "lora_r": 4, "lora_target_modules": ["q_proj", "v_proj"],
}  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory, model_dir):
    path = tmp_path_factory.mktemp("configs") / "grpo.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | {"model_name_or_path": str(model_dir)}))
    return path


def launch(*words):
    done = subprocess.run(
        [sys.executable, "trl_recipes/grpo.py", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def launch_here(monkeypatch, *words):
    """The same without a process's time to load the libraries."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setattr(sys, "argv", ["trl_recipes/grpo.py", *map(str, words)])
    runpy.run_path(str(ROOT / sys.argv[0]), run_name="__main__")


def history(folder):
    return json.loads((folder / "trainer_state.json").read_text())["log_history"]


def test_three_steps_with_reasoning_and_a_continuation(config, tmp_path, monkeypatch):
    output = launch("--config", config, "--output_dir", tmp_path, "--reasoning", "true")
    assert "training rows: 16; held out: 38" in output
    logs = [entry for entry in history(tmp_path / "checkpoint-3") if "reward" in entry]
    assert [entry["step"] for entry in logs] == [1, 2, 3]
    for entry in logs:
        # A random model closes no think block: nothing earned, and the form costs 0.2.
        assert entry["rewards/ifeval_reward/mean"] == pytest.approx(-0.2)
        assert entry["problem_rate"] == 1.0
        assert any(name.startswith("constraint/") for name in entry)
    assert json.loads((tmp_path / "rlvr_data.json").read_text())["train"] == 16
    assert yaml.safe_load((tmp_path / "run_config.yaml").read_text())["reasoning"] is True

    more = ("--reasoning", "true", "--max_steps", 4, "--resume_from_checkpoint")
    launch_here(monkeypatch, "--config", config, "--output_dir", tmp_path, *more)
    assert [e["step"] for e in history(tmp_path / "checkpoint-4") if "reward" in e] == [1, 2, 3, 4]


def test_a_mistyped_key_ends_with_one_paragraph_and_code_2(config, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        launch_here(monkeypatch, "--config", config, "--output_dir", tmp_path / "run", "--reward_mod", "all")
    output = capsys.readouterr().err
    assert end.value.code == 2 and "reward_mode" in output and "Traceback" not in output


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--reward_mode", "most"), "all, fraction"),
        (("--num_train_examples", "0"), "num_train_examples"),
        (("--data", "/nowhere"), "/nowhere"),
        (("--resume_from_checkpoint", "/nowhere"), "/nowhere"),
    ],
)
def test_bad_settings_are_one_clear_error_before_anything_is_written(
    config, tmp_path, monkeypatch, words, named
):
    grpo = pytest.importorskip("trl_recipes.grpo")
    output_dir = tmp_path / "run"
    monkeypatch.setattr(
        sys, "argv", ["grpo.py", "--config", str(config), "--output_dir", str(output_dir), *words]
    )
    with pytest.raises(UserError, match=named):
        grpo.main()
    assert not output_dir.exists()


def test_prompts_and_overlap():
    grpo = pytest.importorskip("trl_recipes.grpo")
    rows = load_rlvr("sample").train
    bare, reasoning = (grpo.to_dataset(rows, reasoning=r) for r in (False, True))
    assert bare[0]["prompt"] == [{"role": "user", "content": rows[0].question}]
    assert [turn["role"] for turn in reasoning[0]["prompt"]] == ["system", "user"]
    assert bare["ground_truth"][:] == [row.ground_truth for row in rows]

    kept, sentence = grpo.without_evaluated(rows, "sample")
    assert kept == rows and sentence.endswith(": 0")
    asked = open_source("ifeval", data="sample").evaluation()[0].question
    stained = (*rows, replace(rows[0], question=asked.upper()))
    kept, sentence = grpo.without_evaluated(stained, "sample")
    assert kept == rows and sentence.endswith(": 1")
    assert "not checked" in grpo.without_evaluated(rows, "/nowhere")[1]


def test_shipped_configuration_has_only_known_keys():
    from trl import GRPOConfig, ModelConfig

    from distill.training.config_files import parse_run

    grpo = pytest.importorskip("trl_recipes.grpo")
    kinds = (grpo.RlvrArguments, ModelConfig, GRPOConfig)
    words = ["--config", str(ROOT / "configs/rlvr_qwen1b7.yaml"), "--output_dir", "x"]
    # Values that this machine cannot use; the keys are what is tested.
    words += ["--bf16", "false", "--use_cpu", "true"]
    (rlvr, model, args), _ = parse_run(kinds, words)
    assert (rlvr.reward_mode, model.lora_r, args.num_generations) == ("all", 16, 8)
    assert args.chat_template_kwargs == {"enable_thinking": False}
