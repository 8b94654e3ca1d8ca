"""`icl-distill eval`, run as a user runs it, on tiny adapters and full checkpoints."""

import json
import shutil

import pytest
import yaml

from distill.cli import main
from distill.evaluation.checkpoints import changes_nothing
from distill.evaluation.engines import open_engine
from distill.evaluation.probe import probe
from distill.evaluation.settings import EvalSettings

from .conftest import save_adapter, save_model


@pytest.fixture
def config(tiny, tmp_path):
    path = tmp_path / "gsm8k_tiny.yaml"
    path.write_text(yaml.safe_dump({"model_name_or_path": str(tiny), "benchmark": "gsm8k", "data": "sample"}))
    return path


def evaluate(config, runs, output, *more, conditions=("baseline",), steps=("1", "2")):
    command = ["eval", "--config", str(config), "--conditions", *conditions, "--base_dir", str(runs)]
    command += ["--checkpoint_steps", *steps, "--n_samples", "3", "--max_new_tokens", "5"]
    return main([*command, "--output", str(output), "--backend", "hf", *more])


def entries(output):
    return {(e["condition"], e["step"], e["benchmark"]): e for e in json.loads(output.read_text())["results"]}


def responses(output, entry):
    return [json.loads(line)["response"] for line in (output.parent / entry["samples"]).open()]


def test_adapters_and_full_weights_are_told_apart_and_each_answers_as_itself(config, runs, tmp_path):
    output = tmp_path / "results.json"
    conditions = ("full", "baseline", "online_v1")
    for condition, trainer in (("baseline", "SFTTrainer"), ("online_v1", "ICLDistillTrainer")):
        (runs / condition / "provenance.json").write_text(json.dumps({"trainer": trainer}))
    assert evaluate(config, runs, output, conditions=conditions, steps=("1",)) == 0
    found = entries(output)
    kinds = {condition: found[condition, 1, "gsm8k"]["model"]["kind"] for condition in conditions}
    assert kinds == {"full": "full", "baseline": "adapter", "online_v1": "adapter"}
    trained = {condition: found[condition, 1, "gsm8k"]["kind"] for condition in conditions}
    assert trained == {"full": None, "baseline": "sft", "online_v1": "distilled"}
    texts = {tuple(responses(output, entry)) for entry in found.values()}
    fingerprints = {entry["model"]["fingerprint"] for entry in found.values()}
    assert len(texts) == len(fingerprints) == 3
    checkpoint = output.parent / found["full", 1, "gsm8k"]["model"]["checkpoint"]
    assert checkpoint.resolve() == (runs / "full" / "checkpoint-1").resolve()


def test_a_swapped_adapter_answers_as_one_that_is_loaded_alone(config, runs, tmp_path):
    together, alone = tmp_path / "together.json", tmp_path / "alone.json"
    assert evaluate(config, runs, together) == 0
    assert evaluate(config, runs, alone, steps=("2",)) == 0
    key = ("baseline", 2, "gsm8k")
    assert responses(together, entries(together)[key]) == responses(alone, entries(alone)[key])


def test_the_base_is_itself_again_after_an_adapter(tiny, runs):
    from distill.evaluation.checkpoints import find_checkpoints

    engine = open_engine(EvalSettings(model=str(tiny)))
    with engine.serve() as lm:
        before = probe(lm)
    for checkpoint in find_checkpoints(runs, ["baseline"], None)[0]:
        with engine.serve(checkpoint) as lm:
            assert probe(lm) != before
    with engine.serve() as lm:
        assert probe(lm) == before


def test_a_missing_step_is_named_and_the_others_are_evaluated(config, runs, tmp_path, capsys):
    output = tmp_path / "results.json"
    assert evaluate(config, runs, output, steps=("1", "3")) == 2
    error = capsys.readouterr().err
    assert "condition 'baseline' has no step 3" in error
    assert f"{runs / 'baseline'}/checkpoint-3 does not exist" in error and "Steps that exist: 1, 2" in error
    assert set(entries(output)) == {("baseline", 1, "gsm8k")}


def test_damaged_checkpoints_are_named_and_the_others_are_evaluated(config, runs, tmp_path, capsys):
    weights = runs / "baseline" / "checkpoint-1" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    (runs / "full" / "checkpoint-1" / "model.safetensors").unlink()
    output = tmp_path / "results.json"
    assert evaluate(config, runs, output, conditions=("baseline", "full", "nothing"), steps=("1", "2")) == 2
    error = capsys.readouterr().err
    assert "baseline/checkpoint-1 is not a whole checkpoint: its adapter weights cannot be read" in error
    assert "full/checkpoint-1 is not a whole checkpoint: model.safetensors is missing" in error
    assert "condition 'nothing'" in error and "baseline, full, online_v1" in error
    assert set(entries(output)) == {("baseline", 2, "gsm8k")}


def test_an_adapter_that_changes_nothing_is_refused(config, tiny, runs, tmp_path, capsys):
    idle = save_adapter(tiny, runs / "idle" / "checkpoint-1", scale=0.0)
    assert changes_nothing(idle)
    # So small that the sums are the base's: only the loaded model can tell.
    faint = save_adapter(tiny, runs / "faint" / "checkpoint-1", scale=1e-30)
    assert not changes_nothing(faint)
    output = tmp_path / "results.json"
    assert evaluate(config, runs, output, conditions=("idle", "faint", "baseline"), steps=("1",)) == 2
    error = capsys.readouterr().err
    assert "idle/checkpoint-1: the adapter changes nothing: every lora_B matrix is zero" in error
    assert "faint/checkpoint-1: the adapter changes nothing: with it" in error
    assert set(entries(output)) == {("baseline", 1, "gsm8k")}


def test_an_adapter_of_other_shapes_is_noted_and_the_others_answer_as_alone(config, runs, tmp_path, capsys):
    """It fails while it is put on the base, which must not carry a part of it on to the next."""
    save_adapter(save_model(tmp_path / "wide", hidden_size=64), runs / "alien" / "checkpoint-1")
    output, alone = tmp_path / "results.json", tmp_path / "alone" / "results.json"
    conditions = ("alien", "baseline")
    assert evaluate(config, runs, output, conditions=conditions, steps=("1",)) == 2
    error = capsys.readouterr().err
    assert f"{runs / 'alien' / 'checkpoint-1'} could not be evaluated (RuntimeError" in error
    assert evaluate(config, runs, alone, steps=("1",)) == 0
    key = ("baseline", 1, "gsm8k")
    assert set(entries(output)) == {key}
    assert responses(output, entries(output)[key]) == responses(alone, entries(alone)[key])
    (noted,) = json.loads(output.read_text())["problems"]
    assert "size mismatch" in noted
    # What is mended is noted no more.
    assert evaluate(config, runs, output, steps=("1",)) == 0
    assert "problems" not in json.loads(output.read_text())


class Killed(BaseException):
    """As sudden as a signal: nothing catches it."""


def test_a_killed_sweep_goes_on_where_it_ended(config, runs, tmp_path, capsys, monkeypatch):
    output = tmp_path / "results.json"
    whole = tmp_path / "whole" / "results.json"
    assert evaluate(config, runs, whole) == 0
    from distill.evaluation import session

    real, calls = session.measure, []

    def measure_once(*args):
        calls.append(args)
        if len(calls) == 2:
            raise Killed
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(session, "measure", measure_once)
        with pytest.raises(Killed):
            evaluate(config, runs, output)
    assert set(entries(output)) == {("baseline", 1, "gsm8k")}
    first = entries(output)["baseline", 1, "gsm8k"]
    capsys.readouterr()
    assert evaluate(config, runs, output) == 0
    progress = capsys.readouterr().err
    assert "[1/1] baseline step 2" in progress
    assert entries(output)["baseline", 1, "gsm8k"] == first
    for key, entry in entries(whole).items():
        assert entries(output)[key]["metrics"] == entry["metrics"]
        assert responses(output, entries(output)[key]) == responses(whole, entry)


def test_a_retrained_checkpoint_is_measured_again(config, tiny, runs, tmp_path):
    output = tmp_path / "results.json"
    assert evaluate(config, runs, output) == 0
    before = entries(output)
    shutil.rmtree(runs / "baseline" / "checkpoint-2")
    save_adapter(tiny, runs / "baseline" / "checkpoint-2", seed=99)
    assert evaluate(config, runs, output) == 0
    after = entries(output)
    assert after["baseline", 1, "gsm8k"] == before["baseline", 1, "gsm8k"]
    assert after["baseline", 2, "gsm8k"]["model"] != before["baseline", 2, "gsm8k"]["model"]


def test_a_lost_log_is_measured_again(config, runs, tmp_path):
    output = tmp_path / "results.json"
    assert evaluate(config, runs, output) == 0
    log = output.parent / entries(output)["baseline", 1, "gsm8k"]["samples"]
    text = log.read_text()
    log.unlink()
    assert evaluate(config, runs, output) == 0
    assert log.read_text() == text


def test_full_weights_without_a_tokenizer_take_the_bases(config, runs, tmp_path):
    whole, bare = tmp_path / "whole.json", tmp_path / "bare.json"
    assert evaluate(config, runs, whole, conditions=("full",), steps=("1",)) == 0
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (runs / "full" / "checkpoint-1" / name).unlink()
    assert evaluate(config, runs, bare, conditions=("full",), steps=("1",)) == 0
    key = ("full", 1, "gsm8k")
    assert responses(whole, entries(whole)[key]) == responses(bare, entries(bare)[key])


def test_an_adapter_of_another_base_is_warned_about(config, runs, tmp_path, capsys):
    path = runs / "baseline" / "checkpoint-1" / "adapter_config.json"
    path.write_text(path.read_text().replace("/tiny", "/another-model"))
    assert evaluate(config, runs, tmp_path / "results.json") == 0
    error = capsys.readouterr().err
    assert "WARNING: baseline step 1 was trained on" in error and "another-model" in error
    assert "WARNING: baseline step 2 was trained" not in error


def test_steps_left_out_mean_all_that_exist(config, runs, tmp_path):
    output = tmp_path / "results.json"
    command = ["eval", "--config", str(config), "--conditions", "baseline", "--base_dir", str(runs)]
    command += ["--output", str(output), "--n_samples", "1", "--max_new_tokens", "2", "--task", "csqa"]
    assert main([*command, "--backend", "hf"]) == 0
    assert set(entries(output)) == {("baseline", 1, "csqa"), ("baseline", 2, "csqa")}


def test_bad_input_writes_nothing(config, runs, tmp_path, capsys):
    output = tmp_path / "out" / "results.json"
    assert evaluate(config, tmp_path / "none", output) == 2
    assert "--base_dir" in capsys.readouterr().err
    assert evaluate(config, runs, output, conditions=("../runs/baseline",)) == 2
    assert "--conditions: '../runs/baseline' cannot be used" in capsys.readouterr().err
    config.write_text("benchmark: gsm8k\n")
    assert evaluate(config, runs, output) == 2
    assert f"{config}: key 'model_name_or_path' is missing" in capsys.readouterr().err
    assert not output.exists()
