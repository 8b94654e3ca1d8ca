import json
import sys
from pathlib import Path

import pytest
import yaml

from distill.cli import main
from distill.pipeline.config import load_run_config
from distill.pipeline.runner import run_stages
from distill.pipeline.stages import Stage, build_stages
from lm_eval_tasks.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"


def appending(tmp_path, name, *, after=(), code=0):
    """A stage that appends a line to its output, or fails."""
    output = tmp_path / f"{name}.txt"
    script = f"open({str(output)!r}, 'a').write('{name}\\n'); raise SystemExit({code})"
    return Stage(name, (sys.executable, "-c", script), output, output, after=after)


def test_a_finished_stage_is_skipped_and_a_changed_one_sets_its_old_result_aside(tmp_path, capsys):
    first, second = appending(tmp_path, "first"), appending(tmp_path, "second", after=("first",))
    run_stages([first, second], tmp_path)
    run_stages([first, second], tmp_path)
    assert first.output.read_text() == "first\n"
    assert "up to date" in capsys.readouterr().out
    changed = Stage("first", (*first.command, "extra"), first.output, first.output)
    run_stages([changed, second], tmp_path)
    assert first.output.read_text() == "first\n" and second.output.read_text() == "second\n"
    assert (tmp_path / ".first.txt.replaced-1").is_file() and (tmp_path / ".second.txt.replaced-1").is_file()


def test_force_runs_again(tmp_path):
    stage = appending(tmp_path, "only")
    run_stages([stage], tmp_path)
    run_stages([stage], tmp_path, force=["only"])
    assert (tmp_path / ".only.txt.replaced-1").is_file()
    with pytest.raises(UserError, match="no such stage"):
        run_stages([stage], tmp_path, force=["other"])


def test_a_failing_stage_keeps_what_was_before_and_goes_on_with_its_own_files(tmp_path):
    first, broken = appending(tmp_path, "first"), appending(tmp_path, "second", code=3)
    with pytest.raises(UserError, match="second ended with exit code 3"):
        run_stages([first, broken], tmp_path)
    assert first.output.exists()
    with pytest.raises(UserError):
        run_stages([first, broken], tmp_path)
    # Its own unfinished output is still there for it to resume from.
    assert broken.output.read_text() == "second\nsecond\n" and first.output.read_text() == "first\n"
    assert json.loads((tmp_path / ".stages" / "second.json").read_text())["finished"] is False


def test_the_demo_covers_gap_training_evaluation_and_report():
    config = load_run_config(CONFIGS / "demo.yaml")
    stages = build_stages(config, CONFIGS, Path("out"), max_steps=None)
    assert [stage.name for stage in stages] == [
        *("gap-gsm8k", "train-gsm8k-baseline", "train-gsm8k-online_v1", "eval-gsm8k"),
        *("gap-ifeval", "train-ifeval-baseline", "train-ifeval-online_v1", "eval-ifeval"),
        "report",
    ]
    assert all(path.is_file() for stage in stages for path in stage.inputs)


def test_dry_run_prints_and_writes_nothing(tmp_path, capsys):
    assert main(["run", str(CONFIGS / "demo.yaml"), "--output_dir", str(tmp_path / "out"), "--dry_run"]) == 0
    assert "# train-ifeval-online_v1" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modle": "x"}, "unknown key 'modle'"),
        (
            {
                "benchmarks": {
                    "gsm9k": {"config": "c", "num_fewshot": [0], "max_new_tokens": 1, "checkpoint_steps": [1]}
                }
            },
            "gsm9k",
        ),
        ({"benchmarks": {"gsm8k": {"config": "c"}}}, "'num_fewshot' is missing"),
        ({"benchmarks": {}}, "mapping of names"),
        ({"output_dir": None}, "'output_dir' is missing"),
    ],
)
def test_a_bad_run_file_is_named(tmp_path, change, words, capsys):
    raw = yaml.safe_load((CONFIGS / "demo.yaml").read_text()) | change
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(raw))
    assert main(["run", str(file)]) == 2
    message = capsys.readouterr().err
    assert words in message and str(file) in message


def test_a_missing_run_file_is_named(capsys):
    assert main(["run", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
