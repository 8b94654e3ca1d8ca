"""A condition is called after how it was trained, not after its name."""

import json

import pytest

from distill.evaluation.kinds import kind_in
from distill.report.collect import collect
from distill.report.entries import kind_of
from distill.report.labels import condition_name
from lm_eval_tasks.errors import UserError

from .conftest import answer_rows, make_entry, write
from .test_report import section, text_of


def write_run(folder, trainers):
    """Results of an earlier version, which had no kinds, and the training folders beside them."""
    measured = []
    for number, (condition, trainer) in enumerate(trainers.items()):
        rows = answer_rows(20 + number, 60)
        entry = make_entry("gsm8k", rows, condition=condition, step=5)
        del entry["kind"]
        measured.append((entry, rows))
        (folder / condition).mkdir(parents=True)
        if trainer:
            (folder / condition / "provenance.json").write_text(json.dumps({"trainer": trainer}))
    write(folder / "results.json", "checkpoints", measured)


def test_the_trainer_says_what_a_condition_is(tmp_path):
    write_run(tmp_path, {"plain": "SFTTrainer", "online": "ICLDistillTrainer", "rewarded": "GRPOTrainer"})
    text = text_of(tmp_path)
    assert "| Step | SFT (plain) | Distillation (online) | rewarded |" in section(text, "## Section 3")
    assert "SFT baseline | Distillation (online) | rewarded |" in section(text, "## Section 4")
    assert "Distillation (plain)" not in text and "Distillation (rewarded)" not in text


def test_without_a_training_folder_the_name_baseline_is_sft_and_others_are_no_distillation(tmp_path):
    write_run(tmp_path, {"baseline": None, "lr_2": None})
    kinds = {entry["condition"]: kind_of(entry) for entry in collect([tmp_path]).entries}
    assert kinds == {"baseline": "sft", "lr_2": "trained"}
    assert [condition_name(*one) for one in kinds.items()] == ["Baseline", "lr_2"]


def test_a_copy_without_its_training_folder_is_no_other_result(tmp_path):
    write_run(tmp_path / "run", {"plain": "SFTTrainer"})
    copy = tmp_path / "copy" / "results.json"
    copy.parent.mkdir()
    copy.write_bytes((tmp_path / "run" / "results.json").read_bytes())
    for paths in ([tmp_path / "run", copy], [copy, tmp_path / "run"]):
        found = collect(paths)
        assert len(found.entries) == 1 and not found.warnings


def test_an_unreadable_provenance_is_named(tmp_path):
    (tmp_path / "provenance.json").write_text("{")
    with pytest.raises(UserError, match=r"provenance.json is not readable as JSON"):
        kind_in(tmp_path)
    assert kind_in(tmp_path / "none") is None
