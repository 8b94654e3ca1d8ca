"""`icl-distill cache-teacher`, killed and gone on with, and shared by two processes: the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distill.cli import main
from distill.teachers.cached.store import TargetStore
from lm_eval_tasks.errors import UserError
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
OPTIONS = [
    "--benchmark", "gsm8k", "--data", "sample", "--num_fewshot", "2", "--eval_rows", "0",
    "--max_train_rows", "40", "--dtype", "float32", "--objective", "topk_kl", "--top_k", "24",
    "--bf16", "false", "--use_cpu", "true", "--seed", "3", "--rows_per_shard", "1",
]  # fmt: skip


def start(folder, words, processes=1):
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [*launcher, "-m", "distill.cli", "cache-teacher", *words, "--teacher_targets", str(folder)]
    return subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes_and_two_processes_write_them_too(
    model_dir, tmp_path, monkeypatch, capsys
):
    words = [*OPTIONS, "--model_name_or_path", str(model_dir)]
    two = start(tmp_path / "two", words, processes=2)
    killed = start(tmp_path / "killed", words)
    while not (tmp_path / "killed" / "targets-00003.safetensors").is_file() and killed.poll() is None:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    left = contents(tmp_path / "killed")
    assert json.loads(left["manifest.json"])["complete"] is False
    assert len(left) < 41
    with pytest.raises(UserError, match="left unfinished"):
        TargetStore(tmp_path / "killed")
    # As if it had died while it wrote a further one.
    (tmp_path / "killed" / ".targets-00039.safetensors.part").write_bytes(b"half")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    for name in ("killed", "whole"):
        assert main(["cache-teacher", *words, "--teacher_targets", str(tmp_path / name)]) == 0
        assert "teacher:" in capsys.readouterr().err
    _, errors = two.communicate(timeout=PATIENCE)
    assert two.returncode == 0, errors
    assert "teacher:" in errors
    whole = contents(tmp_path / "whole")
    assert len(whole) == 41
    assert contents(tmp_path / "killed") == whole
    assert contents(tmp_path / "two") == whole
