"""Reply lengths, fingerprints, results files."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from distill.evaluation.engines import open_engine
from distill.evaluation.measure import measure
from distill.evaluation.response_length import Reply, reply_of
from distill.evaluation.results import ResultsFile, read_results
from distill.evaluation.session import prepare_questions
from distill.evaluation.settings import EvalSettings
from distill.model.fingerprints import model_fingerprint
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources import TaskSpec

from .conftest import save_model


@pytest.mark.parametrize(
    ("tokens", "cut_by_stop", "expected"),
    [
        ([5, 6, 7, 8], False, Reply(4, truncated=True)),
        ([5, 6, 7, 2], False, Reply(3, truncated=False)),
        ([5, 2, 0, 0], False, Reply(1, truncated=False)),
        ([5, 6, 7], False, Reply(3, truncated=False)),  # the batch ended before the limit
        ([5, 6, 7, 8], True, Reply(4, truncated=False)),
        ([2, 0, 0, 0], False, Reply(0, truncated=False)),
    ],
)
def test_a_reply_ends_at_its_first_end_token(tokens, cut_by_stop, expected):
    assert reply_of(tokens, ends={0, 2}, cut_by_stop=cut_by_stop, limit=4) == expected


def test_batches_of_replies_that_end_at_different_places(tmp_path):
    """Half the vocabulary ends a response, so that lengths differ within a batch."""
    folder = save_model(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *range(10, 600, 12)]
    model.save_pretrained(folder)
    settings = EvalSettings(str(folder), n_samples=16, max_new_tokens=12, batch_size=5)
    (question,) = prepare_questions(settings, TaskSpec("ifeval", "sample"), None, ["bare"])
    with open_engine(settings).serve() as lm:
        _, rows = measure(lm, settings, question)
    ends = {*model.generation_config.eos_token_id, tokenizer.pad_token_id}
    for row in rows:
        messages = [{"role": "user", "content": row["question"]}]
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        with torch.no_grad():
            output = model.generate(**inputs, max_new_tokens=12, do_sample=False)
        tokens = output[0, inputs.input_ids.shape[1] :].tolist()
        length = next((n for n, token in enumerate(tokens) if token in ends), None)
        assert row["truncated"] is (length is None)
        assert row["response_tokens"] == (12 if length is None else length)
    assert 0 < sum(row["truncated"] for row in rows) < 16
    assert len({row["response_tokens"] for row in rows}) > 3


def test_a_fingerprint_is_of_content_not_of_place(tiny, tmp_path):
    import shutil

    copy = tmp_path / "elsewhere"
    shutil.copytree(tiny, copy)
    assert model_fingerprint(copy) == model_fingerprint(tiny)
    model = AutoModelForCausalLM.from_pretrained(copy)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 5] += 1e-3
    model.save_pretrained(copy)
    assert model_fingerprint(copy) != model_fingerprint(tiny)


def test_a_fingerprint_does_not_hang_on_the_order_that_peft_writes_names_in(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    prints = []
    for names in (["q_proj", "v_proj"], ["v_proj", "q_proj"], ["v_proj"]):
        (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "target_modules": names}))
        prints.append(model_fingerprint(folder))
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not readable as JSON"),
        ("[]", "is no results file"),
        ('{"schema": "icl-distill/results", "schema_version": 9}', "'schema_version' is 9"),
        ('{"schema": "icl-distill/results", "schema_version": 1, "results": 3}', "must be a list, not int"),
        (
            '{"schema": "icl-distill/results", "schema_version": 1, "results": [{}]}',
            "results[0] lacks condition",
        ),
    ],
)
def test_a_malformed_results_file_is_named(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"bad\.json") as error:
        read_results(path)
    assert message in str(error.value)


def test_a_gap_file_is_not_overwritten_by_a_sweep(tmp_path):
    path = tmp_path / "gap.json"
    path.write_text(
        json.dumps({"schema": "icl-distill/results", "schema_version": 1, "kind": "gap", "results": []})
    )
    with pytest.raises(UserError, match="holds gap results"):
        ResultsFile(path, "checkpoints")
