"""Checkpoints' model cards: what stands in them, and what of a user's text stays."""

import json
import shutil

import pytest
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from distill.cli import main
from distill.report.card_file import BEGIN, END, update_card
from distill.report.cards import write_cards
from distill.report.collect import collect
from distill.report.markdown import Report
from lm_eval_tasks.errors import UserError

PROVENANCE = {
    "model": "m", "revision": "main", "seed": 42, "world_size": 2, "trainer": "ICLDistillTrainer",
    "data": {"benchmark": "gsm8k", "source": "hub", "fingerprint": "f00", "train": {"rows": 7473},
             "num_fewshot": 8},
    "settings": {"objective": "topk_mse", "ce_weight": 1.0, "beta": 0.0, "use_peft": True, "lora_r": 16,
                 "learning_rate": 1e-4, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 8},
    "versions": {"icl-distill": "0.1.0", "torch": "2.13.0"},
}  # fmt: skip


@pytest.fixture
def card(run_dir):
    """`card()`: write all cards; returns that of GSM8K's distilled checkpoint, PEFT's stub at first."""
    folder = run_dir / "gsm8k" / "online_v1"
    (folder / "provenance.json").write_text(json.dumps(PROVENANCE))
    state = folder / "checkpoint-1000" / "trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"max_steps": 2000}))
    file = folder / "checkpoint-1000" / "README.md"
    stub = ModelCard.from_template(ModelCardData())
    stub.data["library_name"], stub.data["license"] = "peft", "mit"
    file.write_text(f"{stub}\n### Framework versions\n\n- PEFT 0.21.2")

    def write():
        assert file.resolve() in write_cards(Report("Results", collect([run_dir])))
        return file

    return write


def test_the_card_says_how_it_was_trained_and_what_it_scores(card):
    text = card().read_text()
    for fact in (
        "| Base model | `Qwen/Qwen3-1.7B` (weights mbase) |",
        "| Method | distillation of a few-shot teacher (`ICLDistillTrainer`) |",
        "| Weights | LoRA: lora_r 16 |",
        "| Loss | objective topk_mse, ce_weight 1.0, beta 0.0 |",
        "| Batch | 4 x 8 x 2 (rows x accumulation x processes) |",
        "| Data | gsm8k from `hub`, 7473 rows (f00) |",
        "| Seed | 42 |",
        "| Versions | icl-distill 0.1.0, torch 2.13.0 |",
        "| Step | 1000 of 2000 |",
        # 937 against 344 of 1319; the right rows are the first ones.
        "| GSM8K | strict_acc | 71.04% (937/1319) [68.5, 73.4] | 26.08% (344/1319) [23.8, 28.5] "
        "| 8-shot: 47.08% (621/1319) [44.4, 49.8] | +44.96% | [42.",
    ):
        assert fact in text
    assert "[More Information Needed]" not in text
    assert "# Qwen3-1.7B, online_v1 step 1000" in text or "# Qwen/Qwen3-1.7B, online_v1 step 1000" in text


def test_the_card_has_the_model_index_and_keeps_its_metadata(card):
    data = ModelCard.load(card()).data
    assert (data.license, data.library_name, data.base_model) == ("mit", "peft", "Qwen/Qwen3-1.7B")
    strict, flexible = data.eval_results
    assert (strict.dataset_type, strict.dataset_split, strict.metric_type) == (
        "openai/gsm8k",
        "test",
        "strict_acc",
    )
    assert strict.metric_value == pytest.approx(937 / 1319)
    assert (strict.metric_args["correct"], strict.metric_args["total"]) == (937, 1319)
    assert strict.metric_args["interval"] == pytest.approx([0.6853, 0.7342], abs=5e-4)
    assert flexible.metric_type == "flexible_acc"


def test_writing_again_changes_nothing(card):
    file = card()
    text, at = file.read_text(), file.stat().st_mtime_ns
    card()
    assert (file.read_text(), file.stat().st_mtime_ns) == (text, at)


def test_a_users_text_and_results_stay_around_ours(card):
    file = card()
    mine = EvalResult(
        "text-generation", "mmlu", "MMLU", "acc", 0.5, source_name="me", source_url="https://example.org"
    )
    loaded = ModelCard.load(file)
    loaded.data.eval_results.append(mine)
    loaded.data.license = "apache-2.0"
    file.write_text(
        str(loaded).replace(BEGIN, f"Before.\n\n{BEGIN}").replace("| Seed |", "| Sneed |") + "\nAfter.\n"
    )
    text = card().read_text()
    assert text.index("Before.") < text.index(BEGIN) < text.index("| Seed | 42 |") < text.index("After.")
    assert "Sneed" not in text and text.count(BEGIN) == text.count(END) == 1
    data = ModelCard.load(file).data
    assert data.license == "apache-2.0"
    assert [result.metric_type for result in data.eval_results] == ["acc", "strict_acc", "flexible_acc"]


def test_a_card_that_somebody_wrote_is_not_replaced(card):
    file = card()
    file.write_text("---\nlicense: mit\n---\n# My model\n\nIt is good.\n")
    text = card().read_text()
    assert text.index("It is good.") < text.index(BEGIN) < text.index("## Training")


def test_a_stub_with_a_word_filled_in_is_somebodys(card):
    file = card()
    stub = str(ModelCard.from_template(ModelCardData()))
    file.write_text(stub.replace("[More Information Needed]", "ACME", 1))
    assert "ACME" in card().read_text()


def test_a_checkpoint_without_a_card_or_provenance_gets_one(card, run_dir):
    card()
    text = (run_dir / "gsm8k" / "baseline" / "checkpoint-1000" / "README.md").read_text()
    assert "| Settings | not known: the training's folder has no provenance.json |" in text
    assert "63.00% (831/1319)" in text


def test_cards_are_written_when_they_are_asked_for(run_dir, capsys):
    shutil.rmtree(run_dir / "ifeval")
    assert main(["report", str(run_dir)]) == 0
    assert not list(run_dir.rglob("README.md"))
    assert main(["report", str(run_dir), "--cards"]) == 0
    assert len(list(run_dir.glob("gsm8k/*/checkpoint-1000/README.md"))) == 2
    assert capsys.readouterr().out.count("README.md") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("---\n[\n---\n", "metadata cannot be read"), (f"# Mine\n\n{BEGIN}\nours", "is missing")],
)
def test_a_card_that_cannot_be_kept_is_an_error_and_stays(tmp_path, text, message):
    file = tmp_path / "README.md"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        update_card(file, title="t", part="p", results=[], defaults=ModelCardData(model_name="n"))
    assert file.read_text() == text
