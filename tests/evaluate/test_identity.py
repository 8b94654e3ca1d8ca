"""A stored score is served only for the very model and task that it was measured on."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from distill.cli import main
from distill.evaluation.checkpoints import Checkpoint
from distill.evaluation.engines import open_engine
from distill.evaluation.probe import probe
from distill.evaluation.settings import EvalSettings
from lm_eval_tasks.harness.definition import definition_of
from lm_eval_tasks.sources import open_source

from .conftest import read, save_adapter


@pytest.fixture
def model(tiny, tmp_path):
    return shutil.copytree(tiny, tmp_path / "model")


def gap(model, output, *more, task=("--task", "gsm8k")):
    command = ["gap", "--model", str(model), *task, "--num_fewshot", "0", "--n_samples", "3"]
    command += ["--max_new_tokens", "4", "--backend", "hf", "--output", str(output)]
    return main([*command, *more])


def change_template(model):
    path = model / "chat_template.jinja"
    path.write_text(path.read_text().replace("assistant\n", "assistant\nAnswer: "))


def change_older_template(model):
    """Earlier transformers wrote the template into the tokenizer's config."""
    path, file = model / "tokenizer_config.json", model / "chat_template.jinja"
    template = file.read_text().replace("assistant\n", "assistant\nAnswer: ")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))


def change_ends(model):
    path = model / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": [2, 17]}))


def change_tokenizer(model):
    path = model / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"add_bos_token": True}))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (change_template, "another chat template"),
        (change_older_template, "another chat template"),
        (change_ends, "another generation config"),
        (change_tokenizer, "another tokenizer"),
    ],
)
def test_what_decides_on_answers_is_noticed_and_named(model, tmp_path, capsys, change, named):
    output = tmp_path / "gap.json"
    assert gap(model, output, "--data", "sample") == 0
    before = output.read_bytes()
    assert gap(model, output, "--data", "sample") == 0
    assert output.read_bytes() == before
    change(model)
    capsys.readouterr()
    assert gap(model, output, "--data", "sample") == 0
    told = capsys.readouterr().err
    assert named in told and told.count("another") == 1
    assert read(output)["results"][0]["identity"] != json.loads(before)["results"][0]["identity"]


def test_notes_of_place_and_software_are_no_change(model, tmp_path):
    output = tmp_path / "gap.json"
    assert gap(model, output, "--data", "sample") == 0
    before = output.read_bytes()
    for name in ("tokenizer_config.json", "generation_config.json"):
        content = json.loads((model / name).read_text())
        (model / name).write_text(json.dumps(content | {"transformers_version": "9.9", "name_or_path": "x"}))
    moved = model.rename(tmp_path / "moved")
    assert gap(moved, output, "--data", "sample") == 0
    assert output.read_bytes() == before


def test_another_version_of_a_deciding_package_is_named(model, tmp_path, capsys):
    output = tmp_path / "gap.json"
    assert gap(model, output, "--data", "sample") == 0
    content = read(output)
    content["results"][0]["versions"] |= {"transformers": "4.0.0", "trl": "0.1"}
    output.write_text(json.dumps(content))
    assert gap(model, output, "--data", "sample") == 0
    told = capsys.readouterr().err
    assert "another transformers (4.0.0 there" in told and "trl" not in told


def test_a_result_that_does_not_say_what_it_is_of_is_measured_again(model, tmp_path, capsys):
    output = tmp_path / "gap.json"
    assert gap(model, output, "--data", "sample") == 0
    content = read(output)
    del content["results"][0]["identity"]
    output.write_text(json.dumps(content))
    assert gap(model, output, "--data", "sample") == 0
    assert "another tokenizer (None there" in capsys.readouterr().err
    assert "identity" in read(output)["results"][0]


METRIC = "def judge(reply: str, reference) -> bool:\n    return len(reply) > {}\n"


def test_an_edited_metric_of_ones_own_is_another_task(model, tmp_path, monkeypatch, capsys):
    rows = [{"prompt": f"Say {word}.", "completion": word} for word in ("one", "two", "three")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "own_metric_for_identity.py").write_text(METRIC.format(0))
    monkeypatch.syspath_prepend(tmp_path)
    task = ("--task", str(tmp_path / "rows.jsonl"), "--eval", str(tmp_path / "rows.jsonl"))
    (tmp_path / "shown.jsonl").write_text(json.dumps({"prompt": "Say four.", "completion": "four"}) + "\n")
    (tmp_path / "asked.jsonl").write_text(json.dumps(rows[0]) + "\n")
    task = ("--task", str(tmp_path / "shown.jsonl"), "--eval", str(tmp_path / "asked.jsonl"))
    told = ("--metric", "own_metric_for_identity:judge", "--system_instruction", "Be short.")
    output = tmp_path / "gap.json"
    assert gap(model, output, *told, task=task) == 0
    capsys.readouterr()
    assert gap(model, output, *told, task=task) == 0
    assert "another" not in capsys.readouterr().err
    (tmp_path / "own_metric_for_identity.py").write_text(METRIC.format(10_000))
    assert gap(model, output, *told, task=task) == 0
    assert "another task definition" in capsys.readouterr().err


TASK = """\
task: own
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: generate_until
doc_to_text: !function text.asked
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["{stop}"]}}
metric_list: [{{metric: exact_match}}]
"""


def test_a_definition_is_of_content_and_the_same_in_every_process(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"ask": "Two?", "answer": "2"}) + "\n")

    def defined(stop="x", code="doc['ask']"):
        (tmp_path / "text.py").write_text(f"def asked(doc):\n    return {code}\n")
        path = tmp_path / f"own_{stop}.yaml"
        path.write_text(TASK.format(rows=rows, stop=stop))
        return definition_of(open_source(str(path)).members[0])

    first = defined()
    assert first == defined()
    assert len({first, defined("y"), defined(code="doc['ask'] + '!'")}) == 3


def _saved(base, folder, **options):
    torch.manual_seed(5)
    model = LlamaForCausalLM.from_pretrained(base)
    peft_model = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], **options))
    with torch.no_grad():
        for parameter in peft_model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    peft_model.save_pretrained(folder)
    return Checkpoint("own", 1, folder, "adapter")


@pytest.mark.parametrize(
    "options",
    [
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens", "lm_head"]},
        {"use_dora": True},
        {"trainable_token_indices": [5, 6, 7]},
        {"bias": "all"},
    ],
    ids=["head", "embeddings", "dora", "tokens", "bias"],
)
def test_no_adapter_leaves_a_trace(tiny, tmp_path, options):
    checkpoint = _saved(tiny, tmp_path / "own", **options)
    innocent = Checkpoint("plain", 1, save_adapter(tiny, tmp_path / "plain"), "adapter")
    engine = open_engine(EvalSettings(model=str(tiny)))
    with engine.serve() as lm:
        base = probe(lm)
    with engine.serve(innocent) as lm:
        alone = probe(lm)
    with engine.serve(checkpoint) as lm:
        assert probe(lm) not in (base, alone)
    with engine.serve() as lm:
        assert probe(lm) == base
    with engine.serve(innocent) as lm:
        assert probe(lm) == alone


def test_an_adapter_that_does_not_fit_leaves_no_trace(tiny, tmp_path):
    from .conftest import save_model

    wide = tmp_path / "wide"
    save_model(wide)
    checkpoint = Checkpoint("own", 1, save_adapter(tiny, tmp_path / "own"), "adapter")
    config = json.loads((checkpoint.folder / "adapter_config.json").read_text())
    (checkpoint.folder / "adapter_config.json").write_text(json.dumps(config | {"r": 6}))
    engine = open_engine(EvalSettings(model=str(tiny)))
    with engine.serve() as lm:
        base = probe(lm)
    with pytest.raises(Exception, match="size mismatch"), engine.serve(checkpoint):
        pass
    with engine.serve() as lm:
        assert probe(lm) == base and not hasattr(lm.model, "peft_config")
