"""`icl-distill gap`, run as a user runs it, on a tiny model and the embedded sample."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from distill.cli import main
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.scoring.intervals import wilson_interval
from lm_eval_tasks.sources import open_source


def gap(model, output, *more, task=("gsm8k",), k=("0",), n=3, tokens=6):
    command = ["gap", "--model", str(model), "--task", *task, "--num_fewshot", *k, "--n_samples", str(n)]
    command += ["--max_new_tokens", str(tokens), "--output", str(output), "--data", "sample"]
    return main([*command, "--backend", "hf", *more])


def rows_of(output, entry):
    lines = (output.parent / entry["samples"]).read_text().split("\n")
    return [json.loads(line) for line in lines if line]


@pytest.fixture(scope="module")
def measured(tiny, tmp_path_factory):
    output = tmp_path_factory.mktemp("gap") / "gap.json"
    assert gap(tiny, output, task=("gsm8k", "csqa", "math", "ifeval"), k=("0", "2")) == 0
    return output


def test_every_task_and_k_is_measured_with_counts_that_match_its_rows(measured):
    entries = json.loads(measured.read_text())["results"]
    assert [(entry["benchmark"], entry["num_fewshot"]) for entry in entries] == [
        (name, k) for name in ("gsm8k", "csqa", "math", "ifeval") for k in (0, 2)
    ]
    for entry in entries:
        rows = rows_of(measured, entry)
        assert len(rows) == 3 == entry["data"]["rows"]
        for name, metric in entry["metrics"].items():
            verdicts = [row[name] if isinstance(row[name], list) else [row[name]] for row in rows]
            assert metric["total"] == sum(map(len, verdicts))
            assert metric["correct"] == sum(map(sum, verdicts))
            assert metric["rate"] == metric["correct"] / metric["total"]
        assert entry["diagnostics"]["truncated"]["count"] == sum(row["truncated"] for row in rows)
        assert entry["versions"]["lm_eval"] and entry["model"]["dtype"] == "float32"


def test_instructions_are_pooled(measured):
    entry = next(e for e in json.loads(measured.read_text())["results"] if e["benchmark"] == "ifeval")
    examples = open_source("ifeval", data="sample").evaluation()[:3]
    instructions = sum(len(example.reference["instruction_id_list"]) for example in examples)
    assert instructions > 3
    assert entry["metrics"]["inst_level_strict_acc"]["total"] == instructions
    assert entry["metrics"]["prompt_level_strict_acc"]["total"] == 3
    low, high = wilson_interval(entry["metrics"]["prompt_level_strict_acc"]["rate"], 3)
    assert entry["metrics"]["prompt_level_strict_acc"]["interval"] == [low, high]


def test_responses_and_lengths_are_what_plain_transformers_generates(tiny, measured):
    """An independent reference: one prompt at a time, no lm-eval, our renderer and demonstrations."""
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    model = AutoModelForCausalLM.from_pretrained(tiny)
    examples = open_source("gsm8k", data="sample").evaluation()
    pool = open_source("gsm8k", data="sample").pool()
    picker = DemonstrationPicker(pool, 2)
    entries = json.loads(measured.read_text())["results"]
    for entry in entries[:2]:
        rows = rows_of(measured, entry)
        assert len(rows) == entry["data"]["rows"] > 0
        for example, row in zip(examples, rows, strict=False):
            shown = picker.pick(example) if entry["num_fewshot"] else []
            text = tokenizer.apply_chat_template(
                build_messages(example, shown),
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,
            )
            inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
            with torch.no_grad():
                output = model.generate(**inputs, max_new_tokens=6, do_sample=False)
            tokens = output[0, inputs.input_ids.shape[1] :].tolist()
            ended = tokenizer.eos_token_id in tokens
            assert row["response"] == tokenizer.decode(tokens, skip_special_tokens=True)
            assert row["truncated"] is not ended
            assert row["response_tokens"] == len(tokens) - ended


def test_the_harness_counts_cut_answers_as_the_engine_saw_them(tiny, tmp_path, caplog):
    """By its text alone an answer that ends just below the limit looks cut."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert gap(tiny, first, n=12, tokens=9) == 0
    (entry,) = json.loads(first.read_text())["results"]
    longest = max(row["response_tokens"] for row in rows_of(first, entry) if not row["truncated"])
    caplog.clear()
    assert gap(tiny, second, n=12, tokens=longest + 1) == 0
    (entry,) = json.loads(second.read_text())["results"]
    cut = entry["diagnostics"]["truncated"]["count"]
    assert 0 < cut < 12 and f"({cut} of 12 answers)" in caplog.text


def test_a_second_run_measures_nothing_again(tiny, measured, capsys):
    before = measured.read_bytes()
    assert gap(tiny, measured, task=("gsm8k", "csqa"), k=("0", "2")) == 0
    assert measured.read_bytes() == before
    assert "[1/" not in capsys.readouterr().err


def test_other_settings_in_the_same_file_are_refused_by_name(tiny, measured, capsys):
    before = measured.read_bytes()
    assert gap(tiny, measured, tokens=7) == 2
    error = capsys.readouterr().err
    assert "max_new_tokens (6 there, 7 now)" in error and str(measured) in error
    assert gap(tiny, measured, n=2) == 2
    assert "rows (3 there, 2 now)" in capsys.readouterr().err
    assert measured.read_bytes() == before


def test_truncation_beyond_five_percent_is_warned_about(tiny, tmp_path, capsys):
    gap(tiny, tmp_path / "gap.json", tokens=1)
    assert "WARNING: 3 of 3 responses were cut at 1 tokens" in capsys.readouterr().err


def test_room_for_the_answer_counts(tiny, tmp_path, capsys):
    assert gap(tiny, tmp_path / "gap.json", tokens=4090) == 2
    assert "and with 4090 for the response it exceeds the 4096" in capsys.readouterr().err


def test_an_over_long_prompt_is_named_and_nothing_is_written(tmp_path, capsys):
    from .conftest import save_model

    short = save_model(tmp_path / "short", max_length=64)
    assert gap(short, tmp_path / "out" / "gap.json", k=("2",)) == 2
    error = capsys.readouterr().err
    assert "gsm8k_icl_fewshot, row 0: the prompt has" in error and "exceeds the 64" in error
    assert not (tmp_path / "out" / "gap.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--model", "no/such-model-anywhere"], "model 'no/such-model-anywhere' cannot be loaded"),
        (["--task", "gsm9k"], "lm-eval knows no task 'gsm9k'. Did you mean gsm8k?"),
        (["--data", "/no/such/folder"], "/no/such/folder/gsm8k/test.jsonl does not exist"),
        (["--num_fewshot", "-1"], "--num_fewshot is -1"),
        (["--num_fewshot", "100000"], "needs a pool of at least 100001 rows"),
        (["--n_samples", "0"], "--n_samples is 0"),
        (["--model_args", "trust_remote_code=True"], "never run here"),
        (
            ["--model_args", "max_lenght=64"],
            "max_lenght=64: neither lm-eval's HFLM nor the model takes it; did",
        ),
        (["--model_args", "pretrained=x"], "pretrained is set by the options of the command itself"),
        (["--batch_size", "many"], "--batch_size is 'many'"),
        (["--backend", "vllm"], "vLLM is not installed"),
    ],
)
def test_bad_input_is_one_paragraph(tiny, tmp_path, capsys, monkeypatch, change, message):
    import importlib.util

    if "vllm" in change and importlib.util.find_spec("vllm"):
        pytest.skip("vLLM is installed here")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert gap(tiny, tmp_path / "gap.json", *change) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_a_folder_is_refused_first(tiny, tmp_path, capsys):
    assert gap(tiny, tmp_path) == 2
    assert "is a folder" in capsys.readouterr().err


def test_a_model_without_chat_template_reads_plain_text(tmp_path):
    from .conftest import save_model

    plain = save_model(tmp_path / "plain", chat=False)
    output = tmp_path / "gap.json"
    assert gap(plain, output) == 0
    entry = json.loads(output.read_text())["results"][0]
    assert entry["prompts"]["chat_template"] is None
    assert "<|im_start|>" not in json.dumps(rows_of(output, entry))


def test_enable_thinking_reaches_the_template(tiny, measured, tmp_path):
    output = tmp_path / "gap.json"
    assert gap(tiny, output, "--enable_thinking") == 0
    thinking = json.loads(output.read_text())["results"][0]["prompts"]
    assert thinking["fingerprint"] != json.loads(measured.read_text())["results"][0]["prompts"]["fingerprint"]
