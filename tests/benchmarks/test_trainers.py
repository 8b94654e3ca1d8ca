"""`benchmarks/trainers.py` and `benchmarks/gpu.py` at tiny scale: every trainer runs, on the same rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(script, folder, *options):
    output = folder / "found.json"
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--scale", "tiny", "--output", str(output)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return json.loads(output.read_text()), done.stdout


def by_variant(found):
    return {row["variant"]: row for row in found["rows"]}


@pytest.fixture(scope="module")
def gpu(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    found, printed = run("gpu.py", folder)
    assert (folder / "found.md").read_text() == printed
    return found, printed


def test_every_trainer_is_measured(gpu):
    found, printed = gpu
    rows = by_variant(found)
    assert len(rows) == 15 and "not measured" not in printed.partition("### The loss")[0]
    for row in rows.values():
        assert min(row[name] for name in ("seconds", "peak_gib", "kernels", "tokens_per_second", "tflop")) > 0
    assert rows["sft_full"]["seconds_ratio"] == 1


def test_trainers_learn_the_same_from_the_same_rows(gpu):
    loss = {name: row["loss"] for name, row in by_variant(gpu[0]).items()}
    for peer, ours in (("sft_full", "sft"), ("sft", "ours@0"), ("published@8", "ours@8")):
        assert loss[peer] == pytest.approx(loss[ours], rel=1e-3), (peer, ours)
    assert loss["published_jsd@8"] == pytest.approx(loss["ours_jsd@8"], rel=0.1)
    assert loss["ours@8"] != pytest.approx(loss["ours@0"], rel=1e-4)  # the demonstrations are read


def test_loss_kernels_leave_a_figure_or_a_reason(gpu):
    losses = gpu[0]["losses"]
    assert {record["tokens"] for record in losses} == {8, 64}
    assert all(("seconds" in record) != ("failed" in record) for record in losses)
    measured = {(each["objective"], each["kernel"]) for each in losses if "seconds" in each}
    assert {("topk_mse", "fused"), ("jsd", "fused"), ("jsd", "trl"), ("jsd", "naive")} <= measured


def test_full_fine_tuning(tmp_path):
    names = ["sft", "published@8", "ours@8", "sdft@8"]
    rows = by_variant(run("trainers.py", tmp_path, "--tuning", "full", "--variants", *names)[0])
    assert set(rows) == {"sft_full", *names} and not any("failed" in row for row in rows.values())
    assert rows["published@8"]["loss"] == pytest.approx(rows["ours@8"]["loss"], rel=1e-3)
