"""Gap, answers, teacher and evaluation of a run read one view of their task."""

from pathlib import Path

import pytest
import yaml

from distill.cli import main
from distill.pipeline.config import load_run_config
from distill.pipeline.stages import build_stages

TRAINING = {
    "num_fewshot": 2,
    "demonstrations": "per_example",
    "demonstration_seed": 7,
    "enable_thinking": True,
    "system_instruction": "Be brief.",
    "max_steps": 4,
    "save_steps": 2,
}
RUN = {
    "model_name_or_path": "demo",
    "data": "sample",
    "benchmarks": {
        "gsm8k": {
            "config": "training.yaml",
            "num_fewshot": [0, 2, 4],
            "checkpoint_steps": [2],
            "answers": {"n": 1},
            "prompted": ["online"],
        }
    },
    "conditions": {"sft": None, "online": {"config": "distill.yaml"}},
}
VIEW = ("demonstrations", "demonstration_seed", "enable_thinking", "system_instruction")


@pytest.fixture
def write(tmp_path):
    """Writes a run file, its training file and what one condition lays over that."""

    def write(run=None, training=None, overlay=None):
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(RUN | (run or {})))
        (tmp_path / "training.yaml").write_text(yaml.safe_dump(TRAINING | (training or {})))
        (tmp_path / "distill.yaml").write_text(yaml.safe_dump({"top_k": 8} | (overlay or {})))
        return tmp_path / "run.yaml"

    return write


def options(stage):
    """The options of a stage's command, the values of each in a list."""
    found = {}
    for word in stage.argv:
        if word.startswith("--"):
            found[word[2:]] = []
        elif found:
            found[list(found)[-1]].append(word)
    return found


def stages_of(path: Path):
    return {stage.name: stage for stage in build_stages(load_run_config(path), path.parent, path.parent)}


def with_gsm8k(**keys):
    return {"benchmarks": {"gsm8k": RUN["benchmarks"]["gsm8k"] | keys}}


def test_every_stage_is_handed_what_the_training_file_says(write):
    found = {name: options(stage) for name, stage in stages_of(write()).items()}
    asked = ("gap-gsm8k", "answers-gsm8k", "train-gsm8k-sft", "train-gsm8k-online", "eval-gsm8k")
    for name in asked:
        assert {key: found[name][key] for key in VIEW} == {
            "demonstrations": ["per_example"],
            "demonstration_seed": ["7"],
            "enable_thinking": ["True"],
            "system_instruction": ["Be brief."],
        }
    # The gap is measured at more numbers than the teacher's, the prompted student at that one.
    assert found["gap-gsm8k"]["num_fewshot"] == ["0", "2", "4"]
    assert {*(tuple(found[name]["num_fewshot"]) for name in asked[1:])} == {("2",)}


def test_what_a_run_lays_over_the_training_file_goes_first_everywhere(write):
    path = write({"training": {"demonstration_seed": 9, "enable_thinking": False}, "model_args": {"a": 1}})
    found = {name: options(stage) for name, stage in stages_of(path).items()}
    for name in ("gap-gsm8k", "answers-gsm8k", "train-gsm8k-online", "eval-gsm8k"):
        assert (found[name]["demonstration_seed"], found[name]["enable_thinking"]) == (["9"], ["False"])
    for name in ("gap-gsm8k", "answers-gsm8k", "eval-gsm8k"):
        assert found[name]["model_args"] == ["a=1"]


def test_without_a_word_the_teacher_reads_the_most_demonstrations_that_are_measured(write):
    found = stages_of(write(training={"num_fewshot": None}))
    assert options(found["train-gsm8k-online"])["num_fewshot"] == ["4"]
    assert options(found["eval-gsm8k"])["num_fewshot"] == ["4"]


def test_a_causal_control_is_for_the_teacher_alone(write):
    conditions = {name: {"config": "distill.yaml", "demonstrations": name} for name in ("zero", "irrelevant")}
    path = write({"conditions": conditions, **with_gsm8k(prompted=[])}, {"demonstrations": "shuffled"})
    found = {name: options(stage) for name, stage in stages_of(path).items()}
    assert found["train-gsm8k-zero"]["demonstrations"] == ["zero"]
    assert found["train-gsm8k-irrelevant"]["demonstrations_from"] == ["csqa"]
    assert "demonstrations" not in found["gap-gsm8k"] and "demonstrations" not in found["eval-gsm8k"]
    assert main(["run", str(path), "--dry_run"]) == 0


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"overlay": {"enable_thinking": False}}, "condition 'online' has enable_thinking False, and gap"),
        ({"overlay": {"demonstration_seed": 8}}, "has demonstration_seed 8, and gap and scores of gsm8k are"),
        ({"overlay": {"system_instruction": "Be long."}}, "are measured with 'Be brief.'. Write it into"),
        (
            {"run": {"conditions": {"sft": {"training": {"enable_thinking": False}}}}},
            "condition 'sft' has enable_thinking",
        ),
        (
            {"run": {"conditions": {"a": {"config": "distill.yaml", "demonstrations": "fixed"}}}},
            "condition 'a' has demonstrations 'fixed', and gap and scores of gsm8k are measured with "
            "'per_example'",
        ),
        ({"training": {"num_fewshot": 3}}, "num_fewshot is [0, 2, 4], and the teacher of condition 'online'"),
        ({"overlay": {"num_fewshot": 3}}, "reads 3 demonstrations, so its gap is not among those"),
        ({"training": {"model_revision": "v2"}}, ": model_revision is 'v2', and gap and"),
        ({"training": {"chat_template_path": "a.jinja"}}, "chat_template_path is 'a.jinja', and gap and"),
        ({"run": {"model_args": {"a": "b,c"}}}, "commas and equals signs cannot be handed on"),
        ({"run": {"model_args": {"trust_remote_code": True}}}, "trust_remote_code: code out of a model's"),
    ],
)
def test_a_condition_whose_gap_is_not_measured_is_named_before_anything_runs(write, keys, words, capsys):
    keys = {"run": with_gsm8k(prompted=[])} | keys
    keys["run"] = with_gsm8k(prompted=[]) | keys["run"]
    path = write(**keys)
    assert main(["run", str(path), "--dry_run"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert words in message and str(path) in message


def test_a_teacher_may_read_any_number_that_is_measured(write):
    path = write(overlay={"num_fewshot": 4})
    assert main(["run", str(path), "--dry_run"]) == 0
    assert options(stages_of(path)["train-gsm8k-online"])["num_fewshot"] == ["4"]


def test_the_same_view_said_in_two_places_is_one(write):
    path = write(overlay={"demonstration_seed": 7, "system_instruction": "Be brief."})
    assert main(["run", str(path), "--dry_run"]) == 0


def test_a_changed_view_makes_the_gap_out_of_date_and_a_changed_rate_does_not(write):
    from distill.pipeline.records import stage_prints

    before = stage_prints(stages_of(write())["gap-gsm8k"], {})
    assert stage_prints(stages_of(write(training={"learning_rate": 1e-5}))["gap-gsm8k"], {}) == before
    assert stage_prints(stages_of(write(training={"enable_thinking": False}))["gap-gsm8k"], {}) != before
