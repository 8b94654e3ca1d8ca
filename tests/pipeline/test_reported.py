from pathlib import Path

import pytest

from distill.pipeline.config import load_run_config, save_run_config
from distill.report.published import ReportedScore, parse_reported, read_reported
from lm_eval_tasks.errors import UserError

RUN = """
output_dir: out
model_name_or_path: demo
benchmarks:
  gsm8k: {config: c.yaml, num_fewshot: [0, 8], max_new_tokens: 8, checkpoint_steps: [200, 1000]}
reported_source: the paper's table 4
reported:
  gsm8k:
    base: {0-shot: 0.25, 8-shot: 0.5}
    online_v1: {1000: 0.75, best: 1}
"""


def test_what_a_run_file_reports_is_found_in_the_runs_folder(tmp_path):
    (tmp_path / "run_me.yaml").write_text(RUN)
    save_run_config(load_run_config(tmp_path / "run_me.yaml"), tmp_path / "out")
    reported = read_reported(tmp_path / "out")
    assert reported.source == "the paper's table 4"
    assert reported.scores == (
        ReportedScore("gsm8k", "base", 0, None, "0-shot", 0.25),
        ReportedScore("gsm8k", "base", 8, None, "8-shot", 0.5),
        ReportedScore("gsm8k", "online_v1", 0, 1000, "1000", 0.75),
        ReportedScore("gsm8k", "online_v1", 0, None, "best", 1.0),
    )


def test_a_folder_without_a_run_reports_nothing(tmp_path):
    assert read_reported(tmp_path).scores == ()


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"math": {"base": {"0-shot": 0.1}}}, "'math' is not in this run; choose from gsm8k"),
        ({"gsm8k": {"onlin": {1000: 0.1}}}, "'onlin' is not in this run; choose from base, online_v1"),
        ({"gsm8k": {"online_v1": {"8-shot": 0.1}}}, "'8-shot' names no measurement"),
        ({"gsm8k": {"base": {1000: 0.1}}}, "1000 names no measurement"),
        ({"gsm8k": {"base": {"0-shot": 7.21}}}, "7.21; give a fraction"),
        ({"gsm8k": {"base": {"0-shot": True}}}, "True; give a fraction"),
        ({"gsm8k": {"base": {}}}, "mapping of names"),
        (
            {"gsm8k": {"base": {"0-shot": {"strict": 0.1}}}},
            "0-shot: 'strict' is not in this run; choose from strict_acc",
        ),
        ({"gsm8k": {"base": {"0-shot": {"strict_acc": 2}}}}, "0-shot.strict_acc: the score is 2"),
        ([0.3], "mapping of names"),
    ],
)
def test_a_wrong_block_is_named(block, words):
    with pytest.raises(UserError, match=r"run\.yaml: reported") as caught:
        parse_reported(block, "somewhere", ["gsm8k"], ["online_v1"], Path("run.yaml"))
    assert words in str(caught.value)


def test_figures_without_a_source_are_refused():
    with pytest.raises(UserError, match="reported_source is missing"):
        parse_reported({"gsm8k": {"base": {"0-shot": 0.1}}}, None, ["gsm8k"], [], Path("run.yaml"))
