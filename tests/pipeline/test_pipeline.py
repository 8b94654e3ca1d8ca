import dataclasses
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from distill.cli import main
from distill.pipeline.config import Condition, load_run_config, save_run_config
from distill.pipeline.limits import with_limits
from distill.pipeline.records import stage_prints
from distill.pipeline.runner import run_stages
from distill.pipeline.stage import Stage
from distill.pipeline.stages import build_stages
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
    assert (tmp_path / ".replaced/1/first.txt").is_file() and (tmp_path / ".replaced/1/second.txt").is_file()
    assert f"older results are kept in {tmp_path / '.replaced'} (0 MB)" in capsys.readouterr().out


def test_force_runs_again(tmp_path):
    stage = appending(tmp_path, "only")
    run_stages([stage], tmp_path)
    run_stages([stage], tmp_path, force=["only"])
    assert (tmp_path / ".replaced/1/only.txt").is_file()
    run_stages([stage], tmp_path, force=["only"])
    assert (tmp_path / ".replaced/2/only.txt").is_file()
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


def test_a_missing_file_is_named_before_anything_runs(tmp_path):
    first = appending(tmp_path, "first")
    second = dataclasses.replace(appending(tmp_path, "second"), inputs=(tmp_path.parent / "nowhere.yaml",))
    with pytest.raises(UserError, match=r"nowhere\.yaml does not exist; stage second needs it"):
        run_stages([first, second], tmp_path)
    assert not first.output.exists()


def test_the_demo_covers_overlap_gap_training_evaluation_and_report(tmp_path):
    config = load_run_config(CONFIGS / "demo_two.yaml")
    (tmp_path / "run.yaml").touch()
    stages = build_stages(config, CONFIGS, tmp_path)
    assert [stage.name for stage in stages] == [
        "overlap",
        *("gap-gsm8k", "train-gsm8k-baseline", "train-gsm8k-online_v1", "eval-gsm8k"),
        *("gap-ifeval", "train-ifeval-baseline", "train-ifeval-online_v1", "eval-ifeval"),
        "report",
    ]
    assert all(path.is_file() for stage in stages for path in stage.inputs)
    assert {stage.name for stage in stages if stage.optional} == {"eval-gsm8k", "eval-ifeval"}
    measured = [stage.output for stage in stages if stage.name.startswith(("gap-", "eval-"))]
    assert list(stages[-1].report_on) == measured and stages[4].beside == (
        tmp_path / "gsm8k/samples/results",
    )


def test_dry_run_prints_and_writes_nothing(tmp_path, capsys):
    assert (
        main(["run", str(CONFIGS / "demo_two.yaml"), "--output_dir", str(tmp_path / "out"), "--dry_run"]) == 0
    )
    assert "# train-ifeval-online_v1" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def of_gsm8k(**keys):
    path = str(CONFIGS / "demo_gsm8k.yaml")
    return {"benchmarks": {"gsm8k": {"config": path, "num_fewshot": [0], **keys}}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modle": "x"}, "unknown key 'modle' (the nearest is 'model_name_or_path'"),
        (
            {
                "benchmarks": {
                    "gsm9k": {"config": "c", "num_fewshot": [0], "max_new_tokens": 1, "checkpoint_steps": [1]}
                }
            },
            "gsm9k",
        ),
        ({"benchmarks": {"gsm8k": {"config": "c"}}}, "'num_fewshot' is missing"),
        ({"benchmarks": {}}, "benchmarks: {} cannot be used; it must not be empty"),
        ({"benchmarks": 3}, "benchmarks: 3 cannot be used; it must be a mapping"),
        ({"conditions": {"base": {}}}, "'base' is the untrained model"),
        (
            {"conditions": {"a": {"devices": [0, 0]}}},
            "conditions.a.devices: [0, 0] is no list of different GPUs",
        ),
        ({"conditions": {"a": {"devices": 1}}}, "conditions.a.devices: 1 is no list"),
        (
            {"conditions": {"a": {"config": "c", "demonstrations": "none"}}},
            "'none' cannot be used; it must be 'fixed', ",
        ),
        ({"conditions": {"a": {"demonstrations": "zero"}}}, "SFT has no teacher"),
        ({"training": ["x"]}, "training: ['x'] cannot be used; it must be a mapping"),
        ({"seed": "forty"}, "seed: 'forty' cannot be used; it must be a valid integer"),
        ({"seed": True}, "seed: True cannot be used"),
        ({"conditions": {"../evil": {}}}, "'../evil' names a folder"),
        ({"conditions": {"samples": {}}}, "conditions.samples: a run has a folder or file of this name"),
        (
            {"conditions": {"a": {"config": "{nope}.yaml"}}},
            "conditions.a.config: '{nope}.yaml' cannot be used",
        ),
        (of_gsm8k(checkpoint_steps=1), "checkpoint_steps: 1 cannot be used; it must be a list: write [1]"),
        (of_gsm8k(checkpoint_steps=[]), "checkpoint_steps: [] cannot be used; it must not be empty"),
        (of_gsm8k(checkpoint_steps=["bst"]), "'bst' cannot be used; give a number of 1 or more, or best or"),
        (of_gsm8k(prompted=["nobody"]), "'nobody' is no condition of this run"),
        (of_gsm8k(answers={"nn": 1}), "answers: unknown key 'nn' (did you mean 'n'?)"),
        ({"n_samples": 0, "dtype": "float64"}, "n_samples: 0 cannot be used; it must be greater"),
        ({"n_samples": 0, "dtype": "float64"}, "; dtype: 'float64' cannot be used; it must be 'auto'"),
        ({"training": {"learning_rat": 1}}, "unknown key 'learning_rat'; did you mean 'learning_rate'"),
        ({"training": {"max_steps": "many"}}, "key 'max_steps' has the value 'many', which is no int"),
        ({"conditions": {"a": {"training": {"top_k": 3}}}}, "conditions.a.training: unknown key 'top_k'"),
        ({"conditions": {"a": {"config": "no.yaml"}}}, "conditions.a.config: "),
        ({"training": {"save_steps": 5}, **of_gsm8k(checkpoint_steps=[7])}, "7 is never there to evaluate"),
        ({"training": {"save_total_limit": 1}, **of_gsm8k(checkpoint_steps=[6])}, "which leaves 12"),
        ({"training": {"save_strategy": "no"}}, "saves no checkpoint: save_strategy is 'no'"),
    ],
)
def test_a_bad_run_file_is_named(tmp_path, change, words, capsys):
    raw = yaml.safe_load((CONFIGS / "demo_two.yaml").read_text())
    for run in (*raw["benchmarks"].values(), raw["conditions"]["online_v1"]):
        run["config"] = str(CONFIGS / run["config"])
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(raw | change))
    assert main(["run", str(file), "--dry_run"]) == 2
    message = capsys.readouterr().err
    assert words in message and str(file) in message and message.count("\n") == 1


@pytest.mark.parametrize("option", ["--max_steps", "--n_samples", "--seed"])
def test_a_limit_out_of_bounds_is_named(option, capsys):
    assert main(["run", str(CONFIGS / "demo_two.yaml"), option, "-3", "--dry_run"]) == 2
    assert f"{option}: -3 cannot be used; give" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "run"
    assert main(["run", str(CONFIGS / "demo_two.yaml"), "--output_dir", str(output)]) == 2
    assert f"output_dir: {output} cannot be written (Not a directory)" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_what_is_not_installed_is_named_before_the_first_stage(tmp_path, capsys):
    file = CONFIGS / "paper" / "gsm8k_qwen8b.yaml"
    assert main(["run", str(file), "--output_dir", str(tmp_path / "out")]) == 2
    assert "vllm is not installed. Run: pip install" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_max_steps_goes_before_what_a_condition_says():
    config = load_run_config(CONFIGS / "demo_two.yaml")
    conditions = {"long": Condition(training={"max_steps": 90, "save_steps": 90, "top_k": 3})}
    short = with_limits(dataclasses.replace(config, conditions=conditions), n_samples=None, max_steps=5)
    assert short.conditions["long"].training == {"top_k": 3} and short.training["max_steps"] == 5


def test_the_schema_knows_the_keys_their_bounds_and_what_they_say(capsys):
    with pytest.raises(SystemExit) as end:
        main(["run", "--schema"])
    schema = json.loads(capsys.readouterr().out)
    assert end.value.code == 0 and schema["additionalProperties"] is False
    assert schema["required"] == ["model_name_or_path", "benchmarks"]
    assert schema["properties"]["seed"]["minimum"] == 0
    assert schema["properties"]["seed"]["description"] == "Of everything drawn."
    steps = schema["$defs"]["BenchmarkRun"]["properties"]["checkpoint_steps"]
    assert steps["minItems"] == 1 and {"enum": ["best", "last"], "type": "string"} in steps["items"]["anyOf"]


def test_a_missing_run_file_is_named(capsys):
    assert main(["run", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


def test_training_goes_through_accelerate_launch_with_the_configured_file(tmp_path):
    config = load_run_config(CONFIGS / "demo_two.yaml")
    stages = {stage.name: stage for stage in build_stages(config, CONFIGS, tmp_path)}
    command = stages["train-gsm8k-online_v1"].argv
    assert command[1:3] == ("-m", "accelerate.commands.launch")
    assert command[3:5] == ("--config_file", str(CONFIGS / "accelerate" / "cpu.yaml"))
    assert command[5:7] == ("-m", "trl_recipes.distill")
    assert CONFIGS / "accelerate" / "cpu.yaml" in stages["train-gsm8k-online_v1"].inputs


def test_max_steps_shortens_training_and_evaluation(tmp_path):
    config = with_limits(load_run_config(CONFIGS / "demo_two.yaml"), n_samples=3, max_steps=5)
    commands = {stage.name: " ".join(stage.argv) for stage in build_stages(config, CONFIGS, tmp_path)}
    assert "--max_steps 5 --save_steps 5" in commands["train-ifeval-baseline"]
    assert "--n_samples 3" in commands["eval-ifeval"] and "--checkpoint_steps 5 --" in commands["eval-ifeval"]


def test_controls_change_what_the_teacher_reads(tmp_path):
    config = load_run_config(CONFIGS / "demo_two.yaml")
    names = ("zero", "shuffled", "irrelevant")
    conditions = {name: Condition("demo_online_v1.yaml", demonstrations=name) for name in names}
    config = dataclasses.replace(config, conditions=conditions)
    commands = {stage.name: " ".join(stage.argv) for stage in build_stages(config, CONFIGS, tmp_path)}
    assert "--demonstrations zero" in commands["train-gsm8k-zero"]
    assert "--demonstrations shuffled" in commands["train-ifeval-shuffled"]
    wanted = "--demonstrations fixed --demonstrations_from csqa"
    assert wanted in commands["train-gsm8k-irrelevant"]


def test_changed_data_makes_what_was_made_from_it_out_of_date(tmp_path):
    config = dataclasses.replace(load_run_config(CONFIGS / "demo_two.yaml"), data=str(tmp_path))
    (tmp_path / "gsm8k").mkdir()
    rows = tmp_path / "gsm8k" / "train.jsonl"
    rows.write_text("one")
    stages = {stage.name: stage for stage in build_stages(config, CONFIGS, tmp_path)}
    changed = ("overlap", "gap-gsm8k", "train-gsm8k-baseline")
    before = [stage_prints(stages[name], {}) for name in (*changed, "gap-ifeval")]
    rows.write_text("two")
    after = [stage_prints(stages[name], {}) for name in (*changed, "gap-ifeval")]
    assert [old != new for old, new in zip(before, after, strict=True)] == [True, True, True, False]


ROWS_RUN = """
model_name_or_path: demo
together: true
benchmarks:
  orders:
    config: training.yaml
    num_fewshot: [0, 8]
    task: task/task.yaml
    inputs: inputs.jsonl
    document: [context/manual.txt]
    system_instruction: Answer in JSON.
    answers: {n: 1, keep: all}
    prompted: [baked]
conditions:
  sft: {training: {learn_from: demonstrations}}
  baked: {config: distill.yaml}
"""


def test_a_run_of_ones_own_task_is_written_beside_its_run_file(tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(ROWS_RUN)
    config = load_run_config(tmp_path / "run.yaml")
    assert config.output_dir is None
    stages = {stage.name: stage for stage in build_stages(config, tmp_path, tmp_path)}
    # No overlap of this package's benchmarks is looked for.
    assert list(stages) == ["gap-orders", "answers-orders", "train-orders", "eval-orders", "report"]
    gap = " ".join(stages["gap-orders"].argv)
    assert f"--task {tmp_path}/task/task.yaml" in gap and "--system_instruction Answer in JSON." in gap
    assert f"--document {tmp_path}/context/manual.txt" in gap and "--num_fewshot 0 8" in gap
    assert "--prompted baked --num_fewshot 8" in " ".join(stages["eval-orders"].argv)
    train = stages["train-orders"]
    assert train.done_when == tmp_path / "orders" / "trained" / "baked" / "finished.json"
    sft, baked = (" ".join(run["argv"]) for run in json.loads(train.command[-1]))
    assert "--answers" not in sft and f"--answers {tmp_path}/orders/answers.jsonl" in baked
    (tmp_path / "training.yaml").write_text("max_steps: 2\n")
    (tmp_path / "distill.yaml").write_text("top_k: 8\n")
    assert main(["run", str(tmp_path / "run.yaml"), "--dry_run"]) == 0
    assert f"{tmp_path}/orders/gap.json" in capsys.readouterr().out


def test_a_run_that_was_written_down_reads_as_it_was(tmp_path):
    (tmp_path / "rows.yaml").write_text(ROWS_RUN)
    for path in (tmp_path / "rows.yaml", CONFIGS / "demo_two.yaml", *(CONFIGS / "paper").glob("*.yaml")):
        config = dataclasses.replace(load_run_config(path), reported=None)  # steps become text in it
        assert load_run_config(save_run_config(config, tmp_path / path.stem)) == config


def test_training_is_done_when_it_says_so(tmp_path):
    config = load_run_config(CONFIGS / "demo_two.yaml")
    stages = {stage.name: stage for stage in build_stages(config, CONFIGS, tmp_path)}
    trained = stages["train-gsm8k-baseline"]
    assert trained.done_when == trained.output / "finished.json"


def test_a_name_without_a_task_is_a_benchmark(tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(ROWS_RUN.replace("    task: task/task.yaml\n", ""))
    assert main(["run", str(tmp_path / "run.yaml"), "--dry_run"]) == 2
    assert "benchmarks.orders is unknown" in capsys.readouterr().err
