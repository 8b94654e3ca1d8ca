"""A whole run on a tiny model, in real processes; `scripts/kill_resume.py` kills and resumes one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distill.cli import main
from distill.pipeline.config import load_run_config
from distill.report.published import read_reported

ROOT = Path(__file__).parents[2]
PAPER = sorted((ROOT / "configs" / "paper").glob("*.yaml"))
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
SECONDS = 1200


@pytest.mark.slow
def test_a_paper_run_at_tiny_scale_has_every_part(tmp_path):
    folder = tmp_path / "run"
    words = [ROOT / "configs" / "paper" / "gsm8k_qwen8b.yaml", "--scale", "tiny", "--output_dir", folder]
    done = subprocess.run(
        [sys.executable, "-m", "distill.cli", "run", *map(str, words)],
        capture_output=True, text=True, timeout=SECONDS, env=ENVIRONMENT, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((folder / "gsm8k" / "results.json").read_text())["results"]
    measured = {(entry["condition"], entry["step"]) for entry in results}
    assert measured == {(name, step) for name in ("baseline", "online_v1") for step in (1, 2)}
    assert results[0]["model"]["kind"] == "adapter" and results[0]["data"]["rows"] == 4
    gap = json.loads((folder / "gsm8k" / "gap.json").read_text())["results"]
    assert [entry["num_fewshot"] for entry in gap] == [0, 2]
    assert json.loads((folder / "overlap.json").read_text())["benchmarks"]["gsm8k"]["comparisons"]
    assert (folder / "logs" / "train-gsm8k-baseline.log").stat().st_size > 0
    assert "Section 4" in (folder / "report" / "report.md").read_text()
    scores = read_reported(folder).scores
    assert [score.score for score in scores] == [0.3472, 0.8014, 0.8249, 0.9037]
    assert json.loads((folder / "tiny_model" / "config.json").read_text())["model_type"] == "qwen3"


@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
@pytest.mark.parametrize("scale", [[], ["--scale", "tiny"]], ids=["full", "tiny"])
def test_every_paper_file_is_a_run(path, scale, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert main(["run", str(path), "--output_dir", str(tmp_path / "out"), "--dry_run", *scale]) == 0
    config, printed = load_run_config(path), capsys.readouterr().out
    stages = len(config.benchmarks) * (2 + len(config.conditions)) + 2 + bool(scale)
    assert printed.count("\n# ") + printed.startswith("# ") == stages
    for benchmark, run in config.benchmarks.items():
        files = [run.config, *(one.config for one in config.conditions.values() if one.config)]
        assert all((path.parent / file.format(benchmark=benchmark)).is_file() for file in files)
    assert config.reported and (path.parent / str(config.accelerate_config)).is_file()
    assert not (tmp_path / "out").exists()


def test_the_paper_reports_the_published_table():
    config = load_run_config(ROOT / "configs" / "paper" / "section4_qwen1b7.yaml")
    table = {
        "gsm8k": (0.2608, 0.6300, 0.7104),
        "csqa": (0.4300, 0.7338, 0.7404),
        "math": (0.0150, 0.2860, 0.4160),
        "ifeval": (0.0721, 0.4214, 0.3845),
    }
    for benchmark, (zero_shot, sft, distilled) in table.items():
        reported = config.reported[benchmark]
        assert (reported["base"]["0-shot"], reported["baseline"][1000]) == (zero_shot, sft)
        assert reported["online_v1"][1000] == distilled
