"""Published scores beside a run's own."""

import pytest

from distill.report.collect import collect
from distill.report.html.page import render
from distill.report.markdown import Report, compose
from lm_eval_tasks.errors import UserError

BLOCK = """
model_name_or_path: Qwen/Qwen3-1.7B
benchmarks: {gsm8k: {}, ifeval: {}}
conditions: {baseline: {}, online_v1: {}}
reported_source: the seeds' Section 4 <b>
reported:
  gsm8k:
    base: {0-shot: 0.2608, 8-shot: 0.5, 4-shot: 0.4}
    online_v1: {final: 0.7104}
  ifeval:
    baseline: {400: 0.4325, best: 0.4, 600: 0.427, 1000: 0.4214}
    online_v1:
      unstated: 0.3845
      1000: {inst_level_strict_acc: 0.458}
"""


def lines_of(run_dir):
    page = compose(Report("t", collect([run_dir]), [run_dir]))
    start = page.index("## Reported next to reproduced")
    return page[start : page.index("\n## ", start + 1)].splitlines()


def test_reported_stands_next_to_reproduced(run_dir):
    (run_dir / "run.yaml").write_text(BLOCK)
    lines = lines_of(run_dir)
    assert "Reported by: the seeds' Section 4 <b>" in lines
    table = lines[: lines.index("| Dataset | Difference | Metric | Reported | Reproduced |")]
    cells = [line.split(" | ") for line in table if line.startswith("| ")]
    rows = {tuple(row[:3]): row[4:] for row in cells if row[3] != "Instruction Acc."}
    assert rows["| GSM8K", "base", "0-shot"] == [
        "26.08%", "base 0-shot", "26.08% (344/1319) [23.8, 28.5]", "+0.00%", "yes |",
    ]  # fmt: skip
    minus = "\N{MINUS SIGN}"
    assert rows["| GSM8K", "base", "8-shot"][-2:] == [f"{minus}2.92%", "no |"]
    assert rows["| GSM8K", "base", "4-shot"] == ["40.00%", "—", "—", "—", "— |"]  # not measured
    assert rows["| GSM8K", "online_v1", "final"][1] == "online_v1 step 1000"
    assert rows["| IFEval", "baseline", "step 400"][2].startswith("43.25% (234/541)")
    assert rows["| IFEval", "baseline", "best"][1] == "baseline step 400"
    assert rows["| IFEval", "baseline", "step 600"][1] == "—"
    assert rows["| IFEval", "online_v1", "unstated"][1] == "online_v1 step 1000"
    (instruction,) = (row for row in cells if row[3] == "Instruction Acc.")
    assert instruction[:5] == ["| IFEval", "online_v1", "step 1000", "Instruction Acc.", "45.80%"]
    assert instruction[5] == "online_v1 step 1000" and "/" in instruction[6]
    html = render(Report("t", collect([run_dir]), [run_dir]))
    assert "Section 4 &lt;b&gt;" in html and "Reported within the interval" in html


def test_the_published_gap_and_gains_stand_next_to_the_reproduced_ones(run_dir):
    block = BLOCK.replace(
        "online_v1: {final: 0.7104}", "baseline: {1000: 0.63}\n    online_v1: {1000: 0.7104}"
    )
    (run_dir / "run.yaml").write_text(block)
    lines = lines_of(run_dir)
    assert "| GSM8K | 8-shot \N{MINUS SIGN} 0-shot | primary | +23.92% | +21.00% |" in lines
    gain = next(
        line for line in lines if line.startswith("| GSM8K | online_v1 \N{MINUS SIGN} baseline, step 1000")
    )
    assert gain.split(" | ")[2:4] == ["primary", "+8.04%"] and gain.split(" | ")[4] != "— |"


def test_a_run_without_published_scores_has_no_such_section(run_dir):
    (run_dir / "run.yaml").write_text("benchmarks: {gsm8k: {}}\nconditions: {baseline: {}}\n")
    assert "Reported" not in compose(Report("t", collect([run_dir]), [run_dir]))
    (run_dir / "run.yaml").write_text("reported: {gsm8k: {base: {0-shot: 0.3}}}\nbenchmarks: {gsm8k: {}}\n")
    with pytest.raises(UserError, match="reported_source is missing"):
        compose(Report("t", collect([run_dir]), [run_dir]))
