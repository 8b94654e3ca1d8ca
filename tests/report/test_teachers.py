"""A gap that was measured with another prompt than the trained teacher's is an error of the report."""

import json

import pytest

from distill.cli import main
from distill.model.fingerprints import digest

from .conftest import answer_rows, make_entry, write

IDS = [f"train-{number}" for number in range(8)]
CONTEXT = {"system_instruction": "Be brief.", "documents": [{"name": "a.txt", "text": "A."}]}
TAUGHT = {
    "benchmark": "gsm8k",
    "num_fewshot": 8,
    "enable_thinking": False,
    "demonstrations": "fixed",
    "demonstration_seed": 42,
    "demonstration_ids": [IDS],
    "demonstrations_from": "gsm8k",
    "chat_template": True,
    "context": CONTEXT | {"privileged": None},
}
SHOWN = {
    "num_fewshot": 8,
    "mode": "fixed",
    "seed": 42,
    "ids": IDS,
    "system": digest("Be brief."),
    "documents": {"a.txt": digest("A.")},
}
UNRECORDED = {}
REQUEST = {"backend": "vllm", "enable_thinking": False, "seed": 42, "model_args": {}}


@pytest.fixture
def report(tmp_path, capsys):
    """Reports on a gap and a distilled student that lie apart; returns exit code, page and errors told."""

    def report(taught=None, more=(), student=None, gap=None):
        bare, prompted = answer_rows(30, 100), answer_rows(60, 100)
        changes = {"demonstrations": SHOWN, "request": REQUEST, "view": "prompted"} | (gap or {})
        measured = [(make_entry("gsm8k", bare, request=REQUEST), bare)]
        measured += [(make_entry("gsm8k", prompted, k=8, **changes), prompted), *more]
        write(tmp_path / "gap" / "gap.json", "gap", measured)
        rows = answer_rows(50, 100)
        entry = make_entry("gsm8k", rows, condition="online", step=9, **(student or {"request": REQUEST}))
        write(tmp_path / "run" / "results.json", "checkpoints", [(entry, rows)])
        (tmp_path / "run" / "online").mkdir(exist_ok=True)
        record = {"trainer": "ICLDistillTrainer", "seed": 42, "world_size": 1, "versions": {}, "settings": {}}
        record |= {"data": {} if taught is UNRECORDED else TAUGHT | (taught or {})}
        (tmp_path / "run" / "online" / "provenance.json").write_text(json.dumps(record))
        paths = [str(tmp_path / name) for name in ("gap", "run")]
        code = main(["report", *paths, "--output", str(tmp_path / "out")])
        html = (tmp_path / "out" / "index.html").read_text()
        return code, (tmp_path / "out" / "report.md").read_text(), capsys.readouterr().err, html

    return report


def test_a_gap_of_the_same_prompt_is_closed(report):
    code, page, told, html = report()
    assert (code, told) == (0, "") and "## Errors" not in page and "1 error" not in html
    assert "| online step 9 | 8-shot | 67% |" in page


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"taught": {"num_fewshot": 4}}, "num_fewshot is 4 for the teacher and 8 in the measured gap"),
        ({"taught": {"enable_thinking": True}}, "enable_thinking is True for the teacher and False in the"),
        ({"taught": {"demonstration_ids": [IDS[::-1]]}}, "the demonstrations is ['train-7', 'train-6', "),
        (
            {"taught": {"demonstration_ids": None, "demonstration_seed": 7}},
            "demonstration_seed is 7 for the teacher and 42 in the measured gap",
        ),
        (
            {"taught": {"demonstration_ids": None, "demonstrations": "per_example"}},
            "demonstrations is 'per_example' for the teacher and 'fixed' in",
        ),
        ({"taught": {"context": CONTEXT | {"system_instruction": None}}}, "system_instruction is none for"),
        (
            {"taught": {"context": CONTEXT | {"documents": []}}},
            "document is none for the teacher and {'a",
        ),
        (
            {"taught": {"context": CONTEXT | {"privileged": "answer"}}},
            "privileged is 'answer' for the",
        ),
        ({"taught": {"chat_template": False}}, "a chat template is False for the teacher and True in"),
        ({"student": {"request": REQUEST | {"model_args": {"revision": "v2"}}}}, "model_args is {'revision'"),
    ],
)
def test_another_prompt_is_an_error_that_names_both_values_and_the_remedy(report, keys, words):
    code, page, told, html = report(**keys)
    assert code == 2 and words in told and "1 error<" in html
    errors = page[page.index("## Errors") : page.index("\n\n", page.index("- **"))]
    assert words in errors and "GSM8K, online step 9: the gap that was measured is not that" in errors
    assert "No gap closed is reported. Measure the gap that belongs to it" in errors
    assert "ICL gap closed" not in page and "Section 1 — ICL gap" in page


def test_of_several_measured_gaps_that_of_the_teacher_counts(report):
    rows = answer_rows(40, 100)
    shown = SHOWN | {"num_fewshot": 4, "ids": IDS[:4]}
    own = make_entry("gsm8k", rows, k=4, demonstrations=shown, request=REQUEST, view="prompted")
    code, page, _, _ = report({"num_fewshot": 4, "demonstration_ids": [IDS[:4]]}, more=[(own, rows)])
    assert code == 0 and "| online step 9 | 4-shot | 200% |" in page


@pytest.mark.parametrize("taught", [{"demonstrations": "shuffled"}, {"demonstrations_from": "csqa"}])
def test_a_causal_control_is_compared_with_what_real_demonstrations_give(report, taught):
    code, page, _, _ = report(taught | {"demonstration_ids": [["others"] * 8]})
    assert code == 0 and "| online step 9 | 8-shot | 67% |" in page


def test_what_sets_memory_and_speed_alone_is_no_other_model(report):
    code, _, _, _ = report(student={"request": REQUEST | {"model_args": {"gpu_memory_utilization": 0.5}}})
    assert code == 0


def test_a_training_that_left_no_record_is_not_accused(report):
    code, page, _, _ = report(UNRECORDED)
    assert code == 0 and "67%" in page


def test_what_lm_eval_logged_is_compared_as_far_as_it_says_it(report):
    """It knows the instruction and the documents as one text, and no ids."""
    shown = {"num_fewshot": 8, "mode": "fixed", "seed": 42, "system": "of both"}
    request = {"backend": "hf", "seed": 42}
    code, page, _, _ = report(gap={"lm_eval": {}, "demonstrations": shown, "request": request})
    assert code == 0 and "67%" in page
    code, _, told, _ = report(
        {"demonstration_seed": 1}, gap={"lm_eval": {}, "demonstrations": shown, "request": request}
    )
    assert code == 2 and "demonstration_seed is 1 for the teacher and 42" in told
