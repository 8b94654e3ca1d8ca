"""Every command of the recipe's documents, in its own words from the repository's root, on a tiny model.

What a test adds to a command stands in `SMALL_...`: the model, few rows and tokens, no GPU.
"""

import json
import os
import runpy
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
    "ICL_DATA_DIR": "sample", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip
LAUNCH = "accelerate launch --num_processes 2 --mixed_precision bf16"
GAP = (
    "scripts/eval_ifeval_icl.py --model Qwen/Qwen3-1.7B --num_fewshot 0 4 --n_samples 541 "
    "--output experiments/ifeval_qwen1b7/icl_eval.json --tensor_parallel_size 4 --max_new_tokens 512"
)
BASELINE = (
    "src/training/train_baseline.py --config configs/ifeval_qwen1b7.yaml "
    "--output_dir experiments/ifeval_qwen1b7/baseline"
)
DISTILLATION = (
    "src/training/train_online_v1.py --base_config configs/ifeval_qwen1b7.yaml "
    "--config configs/ifeval_online_v1.yaml --output_dir experiments/ifeval_qwen1b7/online_v1"
)
CHECKPOINTS = (
    "scripts/eval_ifeval_checkpoints.py --config configs/ifeval_qwen1b7.yaml "
    "--conditions baseline online_v1 --base_dir experiments/ifeval_qwen1b7 "
    "--n_samples 541 --checkpoint_steps 200 400 600 800 1000 "
    "--output experiments/ifeval_qwen1b7/results.json --tensor_parallel_size 4 --max_new_tokens 512"
)
SMALL_TRAINING = (
    "--max_steps 1 --save_steps 1 --warmup_steps 0 --report_to none "
    "--use_cpu true --bf16 false --dtype float32 "
    "--per_device_train_batch_size 1 --gradient_accumulation_steps 1 --per_device_eval_batch_size 1 "
    "--eval_rows 1 --max_train_rows 2 --max_length 1024 --teacher_max_length 4096"
)


def small(command, folder, model, **values):
    """The command's words with its output in `folder`, the tiny model and other numbers behind options."""
    text = command.replace("experiments/ifeval_qwen1b7", str(folder)).replace("Qwen/Qwen3-1.7B", str(model))
    words = text.split()
    for name, value in values.items():
        at = words.index(f"--{name}") + 1
        end = next((n for n in range(at, len(words)) if words[n].startswith("--")), len(words))
        words[at:end] = map(str, value if isinstance(value, list) else [value])
    return words


def run_here(words, monkeypatch):
    """`python WORDS`, without the seconds that a new process takes to import torch; its exit code."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "path", ["in the place of the script's folder", *sys.path])
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as error:
        return error.code or 0
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """In the place of experiments/ifeval_qwen1b7; the tests fill it in the documents' order."""
    return tmp_path_factory.mktemp("ifeval_qwen1b7")


@pytest.fixture(scope="module")
def baseline(folder, model_dir):
    """Trained by `accelerate launch`, in a process of its own."""
    more = f"{SMALL_TRAINING} --model_name_or_path {model_dir}"
    words = [*LAUNCH.split(), "--main_process_port", "29500", *small(BASELINE, folder, model_dir)]
    launcher = [sys.executable, "-m", "accelerate.commands.accelerate_cli", *words[1:], *more.split()]
    done = subprocess.run(
        launcher, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "baseline"


def test_the_baseline_trains(baseline):
    assert (baseline / "checkpoint-1" / "adapter_model.safetensors").is_file()
    record = json.loads((baseline / "provenance.json").read_text())
    assert (record["trainer"], record["data"]["benchmark"]) == ("SFTTrainer", "ifeval")


def test_distillation_trains_and_both_are_evaluated(baseline, folder, model_dir, monkeypatch, capsys):
    more = f"{SMALL_TRAINING} --model_name_or_path {model_dir}"
    assert run_here([*small(DISTILLATION, folder, model_dir), *more.split()], monkeypatch) == 0
    settings = yaml.safe_load((folder / "online_v1" / "run_config.yaml").read_text())
    assert (settings["objective"], settings["top_k"], settings["num_fewshot"]) == ("topk_mse", 256, 4)
    numbers = {"n_samples": 2, "checkpoint_steps": [1], "tensor_parallel_size": 1, "max_new_tokens": 4}
    words = [*small(CHECKPOINTS, folder, model_dir, **numbers), "--model", str(model_dir)]
    assert run_here(words, monkeypatch) == 0, capsys.readouterr().err
    results = json.loads((folder / "results.json").read_text())["results"]
    assert [(entry["condition"], entry["step"]) for entry in results] == [("baseline", 1), ("online_v1", 1)]
    for entry in results:
        assert (entry["benchmark"], entry["num_fewshot"], entry["data"]["rows"]) == ("ifeval", 0, 2)
        assert {"prompt_level_strict_acc", "inst_level_strict_acc"} <= set(entry["metrics"])


def test_the_gap_is_measured(folder, model_dir, monkeypatch):
    words = small(GAP, folder, model_dir, n_samples=2, tensor_parallel_size=1, max_new_tokens=4)
    assert run_here(words, monkeypatch) == 0
    results = json.loads((folder / "icl_eval.json").read_text())["results"]
    assert [(entry["benchmark"], entry["num_fewshot"]) for entry in results] == [("ifeval", 0), ("ifeval", 4)]


@pytest.mark.parametrize("command", [GAP, CHECKPOINTS], ids=["gap", "checkpoints"])
def test_more_gpus_than_there_are_is_an_error_that_names_both(
    command, folder, model_dir, monkeypatch, capsys
):
    monkeypatch.setitem(ENVIRONMENT, "CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    words = [*small(command, folder / "none", model_dir), "--model", str(model_dir)]
    assert run_here(words, monkeypatch) == 2
    error = capsys.readouterr().err
    assert "--tensor_parallel_size is 4, and 0 GPUs can be used here (CUDA_VISIBLE_DEVICES names 4" in error
    assert "--tensor_parallel_size 1 runs on the CPU" in error
    assert not (folder / "none").exists()


def test_training_without_a_gpu_says_how(folder, model_dir, monkeypatch, capsys):
    monkeypatch.setitem(ENVIRONMENT, "CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run_here(small(BASELINE, folder / "none", model_dir), monkeypatch) == 2
    error = capsys.readouterr().err
    assert "0 GPUs can be used here (CUDA_VISIBLE_DEVICES names 2: 0,1)" in error
    assert "--use_cpu true" in error


@pytest.mark.parametrize("name", ["eval_ifeval_icl", "eval_ifeval_checkpoints"])
def test_a_script_needs_nothing_but_the_checkout(name, tmp_path):
    words = [sys.executable, ROOT / "scripts" / f"{name}.py", "--help"]
    done = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0 and "--tensor_parallel_size" in done.stdout, done.stderr


LOADER = """
from src.data.ifeval_loader import load_ifeval, IFEvalDistillDataset
from transformers import AutoTokenizer
exs = load_ifeval('train'); print(len(exs), list(exs[0].keys()))
tok = AutoTokenizer.from_pretrained('Qwen/Qwen3-1.7B')
ds = IFEvalDistillDataset(exs, tok, num_fewshot=4)
s = ds[0]; print({k: len(v) if isinstance(v, list) else v for k, v in s.items()})
"""


def test_the_loader_serves_rows_and_their_tokens(model_dir, monkeypatch, capsys):
    monkeypatch.setenv("ICL_DATA_DIR", "sample")
    monkeypatch.syspath_prepend(str(ROOT))
    names = {}
    exec(compile(LOADER.replace("Qwen/Qwen3-1.7B", str(model_dir)), "document", "exec"), names)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("320 [") and "'instruction_id_list'" in first
    row = names["s"]
    assert second == str(
        {key: len(value) if isinstance(value, list) else value for key, value in row.items()}
    )
    assert row["demonstrations"] == 4 and len(row["teacher_prompt_ids"]) > len(row["prompt_ids"])

    # The rows that training reads of the same example.
    from distill.training.config import DataArguments
    from distill.training.data import load_training_data

    arguments = DataArguments(task="ifeval", data="sample", num_fewshot=4, eval_rows=0, max_train_rows=3)
    training = load_training_data(arguments, names["tok"], max_length=None, seed=42)
    rows, places = names["ds"], {example["key"]: n for n, example in enumerate(names["exs"])}
    assert [rows[places[one["id"]]] for one in training.train] == training.train
    # A demonstration is never its own.
    (shown,) = training.record["demonstration_ids"]
    assert [rows[places[key]]["demonstrations"] for key in shown] == [3] * 4
    # Of its own for each row, if that is asked for: as the training's picker draws them.
    arguments = replace(arguments, demonstrations="per_example")
    drawn = load_training_data(arguments, names["tok"], max_length=None, seed=42).train
    rows = names["IFEvalDistillDataset"](names["exs"], names["tok"], demonstrations="per_example")
    assert [rows[places[one["id"]]] for one in drawn] == drawn
    assert [one["teacher_prompt_ids"] for one in drawn] != [
        one["teacher_prompt_ids"] for one in training.train
    ]
    (test,) = {tuple(row) for row in names["load_ifeval"]("test")}
    assert "response" not in test
    with pytest.raises(ValueError, match=r"split: 'dev'.*train, test"):
        names["load_ifeval"]("dev")


FIELDS = """
from datasets import load_dataset
a = load_dataset('argilla/ifeval-like-data', 'filtered', split='train')
g = load_dataset('google/IFEval', split='train')
print('argilla cols:', a.column_names)
print('argilla[0] split field:', a[0].get('split'))
print('argilla n compliant:', sum(1 for x in a if x['prompt_level_strict_acc']))
print('ifeval cols:', g.column_names)
print('ifeval n:', len(g))
"""


def test_the_field_check_says_what_data_check_says(tmp_path, monkeypatch, capsys):
    """`datasets` looks for a folder of the hub's name first: here it holds the sample."""
    from distill.cli import main

    sample = ROOT / "lm_eval_tasks" / "benchmarks" / "ifeval" / "sample"
    for name, config, file in (
        ("argilla/ifeval-like-data", "filtered", "train.jsonl"), ("google/IFEval", "default", "test.jsonl"),
    ):  # fmt: skip
        target = tmp_path / name
        target.mkdir(parents=True)
        rows = [json.loads(line) for line in (sample / file).read_text().splitlines()]
        # As the hub's Arrow files have it, arguments of no type common to all rows stay text.
        lines = (json.dumps({**row, "kwargs": json.dumps(row["kwargs"])}) + "\n" for row in rows)
        (target / file).write_text("".join(lines))
        files = {"configs": [{"config_name": config, "data_files": [{"split": "train", "path": file}]}]}
        (target / "README.md").write_text(f"---\n{yaml.safe_dump(files)}---\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    exec(compile(FIELDS, "document", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert main(["data", "check", "--task", "ifeval", "--data", "sample"]) == 0
    ours = capsys.readouterr().out
    columns = said[0].removeprefix("argilla cols: ")
    assert f"columns {columns}" in ours and said[1] == "argilla[0] split field: None"
    assert f"compliant (prompt_level_strict_acc): {said[2].rpartition(' ')[2]} of 320" in ours
    assert f"columns {said[3].removeprefix('ifeval cols: ')}" in ours
    assert f"evaluation: {said[4].rpartition(' ')[2]} rows" in ours


def test_the_pip_line_asks_for_nothing_that_scoring_needs():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('absl', 'immutabledict', 'nltk')));"
        "from lm_eval_tasks.benchmarks.ifeval import scorer;"
        "found = scorer.check('No comma.', instruction_id_list=['punctuation:no_comma'], kwargs=[{}]);"
        "assert found.prompt_level_strict"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=ENVIRONMENT)


@pytest.mark.parametrize("command", [GAP, BASELINE, DISTILLATION, CHECKPOINTS, LOADER, FIELDS])
def test_the_mapping_has_every_command(command):
    name = command.split()[0] if "\n" not in command else command.strip().splitlines()[0]
    assert name in DOCUMENT
    for word in shlex.split(command) if "\n" not in command else ():
        assert not word.startswith("--") or word in DOCUMENT, word
    assert "pip install langdetect immutabledict nltk absl-py" in DOCUMENT
