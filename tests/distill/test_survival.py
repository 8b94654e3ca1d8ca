"""A run that dies at any moment ends, once restarted, as one that was never interrupted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

WORKER = Path(__file__).with_name("survival_worker.py")
KILLED = (
    "in a step", "evaluated", "adapter_model.safetensors", "ema.safetensors", "optimizer.pt", "scheduler.pt",
    "rng_state.pth", "trainer_state.json", "saved", "trained",
)  # fmt: skip
FULL = ("limit 50000", "limit 200000")
"""Bytes: the first is smaller than the model, the second than the optimizer's state."""


@pytest.fixture(scope="module")
def runs(model_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("survival")
    done = subprocess.run(
        [sys.executable, str(WORKER), str(model_dir), str(folder), *KILLED, *FULL],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr
    assert {"whole 0", "full 0"} <= set(done.stdout.splitlines()), done.stderr
    return folder, done.stdout, done.stderr


def assert_same(run, whole, weights):
    ours, theirs = run / "checkpoint-6", whole / "checkpoint-6"
    for name in (*weights, "optimizer.pt"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    logs = [
        [
            {name: value for name, value in entry.items() if name != "tokens_per_second"}
            for entry in json.loads((path / "trainer_state.json").read_text())["log_history"]
        ]
        for path in (ours, theirs)
    ]
    assert logs[0] == logs[1]
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in whole.iterdir())
    assert (run / "divergence.json").read_text() == (whole / "divergence.json").read_text()


@pytest.mark.parametrize("moment", KILLED)
def test_killed(runs, moment):
    folder, out, err = runs
    assert f"{moment}: ended -9" in out, err
    assert f"{moment}: resumed 0" in out, err
    assert_same(folder / moment, folder / "whole", ["adapter_model.safetensors", "ema.safetensors"])


@pytest.mark.parametrize("limit", FULL)
def test_a_full_disk_is_said_so_and_leaves_the_last_good_checkpoint(runs, limit):
    folder, out, err = runs
    assert f"{limit}: ended 2" in out, err
    assert f"{limit}: left checkpoint-2\n" in out
    message = next(line for line in err.splitlines() if f"{folder / limit} (" in line)
    assert "could not be written" in message
    assert f"The last complete checkpoint is {folder / limit / 'checkpoint-2'}." in message
    assert "--resume_from_checkpoint" in message
    assert_same(folder / limit, folder / "full", ["model.safetensors", "ema.safetensors"])
