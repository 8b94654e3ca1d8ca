"""`icl-distill retention` on tiny models: other tasks, drift and economy of the base and its students."""

import json
import shutil

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from distill.cli import main
from distill.evaluation import drift
from distill.evaluation.drift import DriftMeter
from distill.evaluation.retention_files import PROMPTS
from tests.evaluate.conftest import read, save_adapter


@pytest.fixture
def few_prompts(tmp_path, monkeypatch):
    """Six prompts stand for the 64."""
    lines = PROMPTS.read_text().splitlines(keepends=True)[::11]
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(lines))
    monkeypatch.setattr("distill.evaluation.drift_file.PROMPTS", path)
    monkeypatch.setattr(DriftMeter.__init__, "__defaults__", (path,))
    return path


def test_the_embedded_prompts_are_sixty_four_different_ones():
    rows = [json.loads(line) for line in PROMPTS.read_text().splitlines()]
    assert len(rows) == len({row["id"] for row in rows}) == len({row["prompt"] for row in rows}) == 64


def test_drift_is_the_divergence_from_the_bare_model_over_its_own_answers(tiny, runs, few_prompts):
    model = AutoModelForCausalLM.from_pretrained(tiny)
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    meter = DriftMeter(model, tokenizer, few_prompts)
    assert meter.measure(model).kl == 0.0 and meter.measure(model).same == 1.0
    student = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny), runs / "baseline" / "checkpoint-1"
    )
    found = meter.measure(student)
    # One prompt at a time, without padding.
    question = json.loads(few_prompts.read_text().splitlines()[0])
    at = meter.ids.index(question["id"])
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": question["prompt"]}], add_generation_prompt=True, enable_thinking=False,
        return_dict=False,
    )  # fmt: skip
    written = model.generate(torch.tensor([ids]), max_new_tokens=drift.NEW_TOKENS, do_sample=False)
    with torch.no_grad():
        bare, own = (one(written).logits[0, len(ids) - 1 : -1].log_softmax(-1) for one in (model, student))
    assert found.tokens[at] == written.shape[1] - len(ids)
    expected = torch.nn.functional.kl_div(own, bare, log_target=True, reduction="sum")
    assert found.kl_rows[at] == pytest.approx(float(expected), rel=1e-4)
    assert found.same_rows[at] == int((bare.argmax(-1) == own.argmax(-1)).sum()) < found.tokens[at]


def words(tiny, runs, output, *more):
    return [
        "retention", "--model", str(tiny), "--base_dir", str(runs), "--conditions", "baseline", "online_v1",
        "full", "--checkpoint_step", "1", "--task", "csqa_icl_mc", "ifeval", "--n_samples", "4",
        "--max_new_tokens", "4", "--backend", "hf", "--dtype", "float32", "--output", str(output), *more,
    ]  # fmt: skip


@pytest.fixture
def gap(tiny, tmp_path):
    """A results file of the base model, bare and with demonstrations."""
    path = tmp_path / "gap.json"
    asked = ["--task", "csqa", "--data", "sample", "--num_fewshot", "0", "2", "--n_samples", "3"]
    assert main(["gap", "--model", str(tiny), *asked, "--max_new_tokens", "2", "--output", str(path)]) == 0
    return path


def test_base_and_students_are_measured_once(tiny, runs, gap, few_prompts, tmp_path, capsys):
    (runs / "baseline" / "finished.json").write_text('{"step": 1, "seconds": 8.0}')
    record = tmp_path / "answers.json"
    record.write_text('{"seconds": 2.0}')
    output = tmp_path / "retention"
    command = words(tiny, runs, output, "--gap", str(gap), "--answers_record", str(record))
    assert main(command) == 0
    content = read(output / "results.json")
    assert content["kind"] == "retention"
    found = {(one["condition"], one["benchmark"]): one for one in content["results"]}
    subjects = ("base", "baseline", "online_v1", "full")
    assert found.keys() == {(one, task) for one in subjects for task in ("csqa_icl_mc", "ifeval")}
    by_likelihood = found["base", "csqa_icl_mc"]
    assert by_likelihood["title"] == "CSQA by log-likelihood"
    assert by_likelihood["metrics"]["acc"]["total"] == 4 and not by_likelihood["diagnostics"].get("truncated")
    drifts = read(output / "drift.json")["students"]
    assert {one["condition"] for one in drifts} == {"baseline", "online_v1", "full"}
    assert all(one["kl"] > 0 and len(one["kl_rows"]) == len(one["tokens"]) == 6 for one in drifts)
    savings = {one["condition"]: one for one in read(output / "economy.json")["students"]}
    one = savings["baseline"]
    assert one["prompt_tokens_before"] > 2 * one["prompt_tokens_after"] > 0
    assert (one["training_seconds"], one["answers_seconds"]) == (8.0, 2.0)
    saved = one["prefill_seconds_before"] - one["prefill_seconds_after"]
    assert saved <= 0 or one["requests_to_pay"] == pytest.approx(10 / saved, rel=0.02)
    assert savings["full"]["training_seconds"] is None and savings["full"]["requests_to_pay"] is None

    # A student that is trained anew is measured again, and it alone.
    shutil.rmtree(runs / "online_v1" / "checkpoint-1")
    save_adapter(tiny, runs / "online_v1" / "checkpoint-1", seed=9)
    capsys.readouterr()
    assert main(command) == 0
    told = capsys.readouterr().err
    assert "[2/2] online_v1 step 1" in told and told.count("drift of") == 1
    again = {one["condition"]: one["kl"] for one in read(output / "drift.json")["students"]}
    before = {one["condition"]: one["kl"] for one in drifts}
    assert again["online_v1"] != before["online_v1"] and again["full"] == before["full"]


def test_a_student_that_is_the_base_model_is_no_student(tiny, runs, few_prompts, tmp_path, capsys):
    shutil.rmtree(runs / "full" / "checkpoint-1")
    shutil.copytree(tiny, runs / "full" / "checkpoint-1")
    command = words(tiny, runs, tmp_path / "out")
    command[command.index("--task") + 1 : command.index("--n_samples")] = []
    assert main(command) == 2
    assert "exactly the probability that the base model gives it" in capsys.readouterr().err


def test_of_rivals_the_best_one_counts(tmp_path):
    from distill.commands.retention import chosen

    names = ["sft_1", "sft_2", "baked"]
    assert chosen(names, names[:2], None) == names
    empty = {key: {} for key in ("step", "benchmark", "model", "request", "diagnostics", "data")}
    empty |= {key: {} for key in ("demonstrations", "prompts", "versions", "samples")}
    entries = [
        empty | {"condition": name, "view": "bare", "num_fewshot": 0}
        | {"metrics": {"acc": {"rate": rate, "total": 4}}}
        for name, rate in zip(names, (0.25, 0.5, 0.1), strict=True)
    ]  # fmt: skip
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"schema": "icl-distill/results", "schema_version": 1, "results": entries}))
    assert chosen(names, names[:2], path) == ["sft_2", "baked"]
