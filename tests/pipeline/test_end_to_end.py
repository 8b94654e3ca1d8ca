"""A whole run on a tiny model, in real processes; `scripts/kill_resume.py` kills and resumes one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distill.cli import main
from distill.pipeline.config import load_run_config
from distill.report.published import parse_reported, read_reported

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


PROMPT, INSTRUCTION = "prompt_level_strict_acc", "inst_level_strict_acc"
SECTION_1 = {"0-shot": (7.21, 13.79), "4-shot": (8.50, 15.83)}
SECTION_3 = {
    # step: baseline and distillation by prompts, the same by instructions
    200: (40.67, 37.89, 48.44, 45.08),
    400: (43.25, 41.04, 51.08, 47.48),
    600: (42.70, 40.67, 51.20, 47.48),
    800: (41.04, 40.30, 49.64, 47.84),
    1000: (42.14, 38.45, 50.48, 45.80),
}
SECTION_4 = {
    # 0-shot, SFT, distillation, gain
    "gsm8k": (26.08, 63.00, 71.04, 8.04),
    "csqa": (43.00, 73.38, 74.04, 0.66),
    "math": (1.50, 28.60, 41.60, 13.00),
    "ifeval": (7.21, 42.14, 38.45, -3.69),
}


def test_the_paper_reports_every_published_figure():
    path = ROOT / "configs" / "paper" / "section4_qwen1b7.yaml"
    config = load_run_config(path)
    published = parse_reported(
        config.reported, config.reported_source, config.benchmarks, config.conditions, path
    )
    found = {
        (one.benchmark, one.condition, one.which, one.metric): round(100 * one.score, 2)
        for one in published.scores
    }
    for which, figures in SECTION_1.items():
        assert tuple(found["ifeval", "base", which, name] for name in (PROMPT, INSTRUCTION)) == figures
    for step, figures in SECTION_3.items():
        places = [(name, metric) for metric in (PROMPT, INSTRUCTION) for name in ("baseline", "online_v1")]
        assert tuple(found["ifeval", name, str(step), metric] for name, metric in places) == figures
    for benchmark, (zero_shot, sft, distilled, gain) in SECTION_4.items():
        metric = PROMPT if benchmark == "ifeval" else None
        places = (("base", "0-shot"), ("baseline", "1000"), ("online_v1", "1000"))
        assert [found[benchmark, *place, metric] for place in places] == [zero_shot, sft, distilled]
        assert round(distilled - sft, 2) == gain
