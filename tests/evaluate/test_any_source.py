"""`gap` and `eval` on rows of one's own and on tasks of lm-eval: both views, as training reads them."""

import json
import shutil
from importlib.resources import files

import pytest
import yaml
from transformers import AutoTokenizer

from distill.cli import main
from distill.evaluation.results import read_results
from distill.model.fingerprints import digest
from distill.training.config import DataArguments
from distill.training.data import load_training_data
from lm_eval_tasks.sources.json_lines import open_json_lines
from lm_eval_tasks.sources.task_folder import write_task_folder

from .test_gap import rows_of

FRUIT = ["apple", "pear", "plum", "fig", "lime", "date", "kiwi", "nut"]
ORDERS = [
    {"prompt": f"{i} {f}s for us.", "completion": f'{{"n": {i}}}', "hint": f"n={i}"}
    for i, f in enumerate(FRUIT)
]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="module")
def thinker(tiny, tmp_path_factory):
    """The tiny model with a real template that thinks unless told not to, as training tells it."""
    place = tmp_path_factory.mktemp("models") / "thinker"
    shutil.copytree(tiny, place)
    tokenizer = AutoTokenizer.from_pretrained(place)
    tokenizer.chat_template = (files("trl") / "chat_templates" / "qwen3.jinja").read_text(encoding="utf-8")
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture
def folder(tmp_path):
    """A task folder: three evaluated rows, four demonstrations."""
    source = open_json_lines(
        evaluation=write(tmp_path / "e.jsonl", ORDERS[:3]),
        demonstrations=write(tmp_path / "d.jsonl", ORDERS[3:7]),
        metric="json_match",
        name="orders",
    )
    return str(write_task_folder(tmp_path / "task", source, name="orders", max_new_tokens=5).yaml)


def harness_task(folder, name, **config):
    table = [
        {"q": f"What comes after {n}?", "a": str(n + 1), "o": [str(n), str(n + 1)], "y": 1} for n in range(12)
    ]
    splits = {
        "train": write(folder / "train.jsonl", table[:8]), "test": write(folder / "test.jsonl", table[8:11]),
    }  # fmt: skip
    config = {
        "task": name, "dataset_path": "json", "training_split": "train", "test_split": "test",
        "dataset_kwargs": {"data_files": splits, "cache_dir": str(folder / "cache")},
        "output_type": "generate_until", "doc_to_text": "Q: {{q}}\nA:", "doc_to_target": "{{a}}",
        "num_fewshot": 2,
    } | config  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{q}}",
    "doc_to_choice": "o",
    "doc_to_target": "y",
}


def gap(model, task, output, *more):
    words = ["gap", "--model", str(model), "--task", task, "--output", str(output), "--backend", "hf"]
    return main([*words, *more])


def measured(output):
    return {
        (entry["benchmark"], entry["view"], entry["num_fewshot"]): (entry, rows_of(output, entry))
        for entry in read_results(output)["results"]
    }


def training_rows(model, task, inputs, **context):
    """What training would read of the evaluated questions, were they its inputs."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    args = DataArguments(task=task, inputs=inputs, eval_rows=0, **context)
    data = load_training_data(args, tokenizer, max_length=None, seed=0)
    return tokenizer, {row["id"]: row for row in data.train}


def test_both_views_of_a_task_folder_are_what_training_reads(thinker, folder, tmp_path):
    output = tmp_path / "gap.json"
    manual = tmp_path / "manual.txt"
    manual.write_text("Count the fruit.")
    beside = ["--system_instruction", "Answer in JSON.", "--document", str(manual)]
    assert gap(thinker, folder, output, "--num_fewshot", "0", "4", *beside) == 0
    found = measured(output)
    assert list(found) == [("orders", "bare", 0), ("orders", "prompted", 0), ("orders", "prompted", 4)]
    # The same questions as rows to learn from, beside a file of others that are evaluated.
    other = write(tmp_path / "other.jsonl", [{"prompt": "None.", "completion": "x"}])
    context = {"system_instruction": "Answer in JSON.", "document": [str(manual)]}
    shown, rows = str(tmp_path / "d.jsonl"), str(tmp_path / "e.jsonl")
    for (_, view, k), (entry, samples) in found.items():
        context_of = context | {"demonstrations": shown, "num_fewshot": k} if view == "prompted" else {}
        tokenizer, learnt = training_rows(thinker, other, rows, **context_of)
        for sample in samples:
            ids = learnt[sample["id"]]["prompt_ids" if view == "bare" else "teacher_prompt_ids"]
            assert sample["prompt_sha"] == digest_of(tokenizer.decode(ids))
            assert sample["prompt_tokens"] == len(ids)
            assert sample["question"] == ORDERS[int(sample["id"])]["prompt"]
        assert entry["generation"]["max_gen_toks"] == 5
        assert entry["metrics"]["json_match"]["total"] == 3
        assert entry["title"] == "orders"
    prompted = found["orders", "prompted", 4][0]["demonstrations"]
    assert prompted["system"] and prompted["documents"].keys() == {"manual.txt"}


def digest_of(text):
    """As lm-eval names a prompt."""
    from lm_eval.utils import hash_string

    return hash_string(text)[:16]


def test_a_privileged_column_is_measured_beside_documents_once(thinker, tmp_path):
    output = tmp_path / "gap.json"
    manual = tmp_path / "manual.txt"
    manual.write_text("Count the fruit.")
    rows = write(tmp_path / "orders.jsonl", ORDERS[:3])
    words = ["--eval", rows, "--privileged", "hint", "--document", str(manual), "--max_new_tokens", "3"]
    inputs = write(tmp_path / "inputs.jsonl", [{"prompt": "None.", "completion": "x"}])
    assert gap(thinker, inputs, output, *words, "--num_fewshot", "0") == 0
    _, samples = measured(output)["inputs", "prompted", 0]
    tokenizer, learnt = training_rows(thinker, inputs, rows, privileged="hint", document=[str(manual)])
    for sample in samples:
        text = tokenizer.decode(learnt[sample["id"]]["teacher_prompt_ids"])
        assert text.count("Count the fruit.") == 1 and "n=" in text
        assert sample["prompt_sha"] == digest_of(text)


@pytest.mark.parametrize("kind", ["generate", "choose"])
def test_both_views_of_an_lm_eval_task_are_what_training_reads(thinker, tmp_path, kind):
    task = harness_task(tmp_path, kind, **CHOICE if kind == "choose" else {})
    output = tmp_path / "gap.json"
    assert gap(thinker, task, output, "--system_instruction", "Be brief.", "--max_new_tokens", "4") == 0
    found = measured(output)
    assert list(found) == [(f"lm_eval:{kind}", "bare", 0), (f"lm_eval:{kind}", "prompted", 2)]
    text = "What comes after {}?" if kind == "choose" else "Q: What comes after {}?\nA:"
    inputs = write(  # of other ids and with a mark, or they would count as evaluated
        tmp_path / "i.jsonl", [{"prompt": text.format(n) + " #", "completion": "x"} for n in (8, 9, 10)]
    )
    context = {"system_instruction": "Be brief."}
    tokenizer, learnt = training_rows(thinker, task, inputs, **context)
    for view, (entry, samples) in zip(("bare", "prompted"), found.values(), strict=True):
        ids = "prompt_ids" if view == "bare" else "teacher_prompt_ids"
        prompts = [tokenizer.decode(learnt[f"inputs/{n}"][ids]).replace(" #", "") for n in range(3)]
        assert [sample["prompt_sha"] for sample in samples] == [digest_of(prompt) for prompt in prompts]
        assert [sample["prompt_tokens"] for sample in samples] == [
            len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts
        ]
        # What is asked, without what stands before it.
        assert [sample["question"] for sample in samples] == [text.format(n) for n in (8, 9, 10)]
        if kind == "choose":
            assert all(sample["truncated"] is None and sample["response"].isdigit() for sample in samples)
            assert entry["metrics"]["acc"]["correct"] == sum(sample["acc"] for sample in samples)
            assert "truncated" not in entry["diagnostics"]
        else:
            assert entry["metrics"]["exact_match"]["total"] == 3


UTILS = """
def judge(doc, results):
    return {"closeness": 1 / (1 + len(results[0])), "right": results[0] == doc["a"]}
"""


def test_several_filters_and_numbers_that_are_not_right_or_wrong(tiny, tmp_path):
    filters = [
        {
            "name": name,
            "filter": [{"function": "regex", "regex_pattern": pattern}, {"function": "take_first"}],
        }
        for name, pattern in (("digits", "([0-9]+)"), ("word", "([a-z]+)"))
    ]
    output = tmp_path / "gap.json"
    task = harness_task(tmp_path, "filtered", filter_list=filters, generation_kwargs={"until": ["\n"]})
    words = ["--max_new_tokens", "4", "--num_fewshot", "0"]
    assert gap(tiny, task, output, *words) == 0
    ((entry, samples),) = measured(output).values()
    assert list(entry["metrics"]) == ["exact_match,digits", "exact_match,word"]
    assert len(samples) == 3 and all(isinstance(s["exact_match,word"], bool) for s in samples)
    (tmp_path / "utils.py").write_text(UTILS)
    metrics = [
        {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("closeness", "right")
    ]
    path = harness_task(tmp_path, "judged", metric_list=metrics)
    with open(path, "a", encoding="utf-8") as file:
        file.write("process_results: !function utils.judge\n")
    assert gap(tiny, path, output, *words) == 0
    entry, samples = measured(output)["lm_eval:judged", "bare", 0]
    closeness = entry["metrics"]["closeness"]
    assert closeness["correct"] is None and closeness["unit"] == "score"
    assert closeness["rate"] == pytest.approx(sum(sample["closeness"] for sample in samples) / 3)
    assert entry["metrics"]["right"]["correct"] == sum(sample["right"] for sample in samples)


def test_another_context_or_metric_in_the_same_file_is_refused(tiny, folder, tmp_path, capsys):
    output = tmp_path / "gap.json"
    words = ["--num_fewshot", "0", "2", "--max_new_tokens", "3"]
    assert gap(tiny, folder, output, *words, "--system_instruction", "One.") == 0
    before = output.read_bytes()
    for change, told in (
        (["--system_instruction", "Two."], "system"),
        ([], "system"),
        (
            ["--system_instruction", "One.", "--metric", "contains"],
            "metric ('json_match' there, 'contains' now)",
        ),
    ):
        assert gap(tiny, folder, output, *words, *change) == 2
        error = capsys.readouterr().err
        assert told in error and "measured otherwise" in error
    assert output.read_bytes() == before
    assert gap(tiny, folder, output, *words, "--system_instruction", "One.") == 0
    assert output.read_bytes() == before


def test_a_results_file_of_an_earlier_version_goes_on(tiny, tmp_path, capsys):
    """It knows neither views nor titles nor which rows were shown."""
    output = tmp_path / "gap.json"
    words = ["--data", "sample", "--n_samples", "2", "--max_new_tokens", "3", "--num_fewshot", "0", "2"]
    assert gap(tiny, "gsm8k", output, *words) == 0
    content = json.loads(output.read_text())
    for entry in content["results"]:
        del entry["view"], entry["title"]
        entry["demonstrations"].pop("ids", None)
        entry["request"] |= {"demonstrations": "fixed", "demonstration_seed": 42}
    output.write_text(json.dumps(content))
    before = output.read_bytes()
    capsys.readouterr()
    assert gap(tiny, "gsm8k", output, *words) == 0
    assert output.read_bytes() == before
    assert "gsm8k 2-shot" in capsys.readouterr().out


def test_a_prompt_of_a_multiple_choice_task_beyond_the_context_is_named(tmp_path, capsys):
    from .conftest import save_model

    short = save_model(tmp_path / "short", max_length=48)
    assert (
        gap(short, harness_task(tmp_path, "long", **CHOICE), tmp_path / "gap.json", "--num_fewshot", "4") == 2
    )
    error = capsys.readouterr().err
    assert "long, row 0: the prompt has" in error and "exceeds the 48" in error


def test_nothing_prompted_is_refused(tiny, folder, runs, tmp_path, capsys):
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"model_name_or_path": str(tiny), "task": "gsm8k", "data": "sample"}))
    words = ["eval", "--config", str(config), "--base_dir", str(runs), "--conditions", "baseline"]
    words += ["--output", str(tmp_path / "out.json"), "--backend", "hf", "--prompted", "baseline"]
    assert main([*words, "--num_fewshot", "0"]) == 2
    assert "nothing is prompted" in capsys.readouterr().err


def test_checkpoints_of_any_task_in_both_views(tiny, folder, runs, tmp_path, capsys):
    divergence = {"steps": {"0": {"kl_teacher": 3.0}, "1": {"kl_teacher": 0.1}, "2": {"kl_teacher": 0.2}}}
    (runs / "baseline" / "divergence.json").write_text(json.dumps(divergence))
    config = tmp_path / "c.yaml"
    settings = {
        "model_name_or_path": str(tiny),
        "task": folder,
        "system_instruction": "Be brief.",
        "num_fewshot": 2,
    }
    config.write_text(yaml.safe_dump(settings))
    output = tmp_path / "out.json"
    words = ["eval", "--config", str(config), "--base_dir", str(runs), "--conditions", "baseline"]
    words += ["--output", str(output), "--backend", "hf", "--max_new_tokens", "3"]
    assert main([*words, "--checkpoint_steps", "best", "--prompted", "baseline"]) == 0
    entries = read_results(output)["results"]
    assert [(e["step"], e["view"], e["num_fewshot"]) for e in entries] == [(1, "bare", 0), (1, "prompted", 2)]
    assert len({entry["samples"] for entry in entries}) == 2
    assert entries[0]["prompts"] != entries[1]["prompts"] and entries[1]["demonstrations"][
        "system"
    ] == digest("Be brief.")
    assert main([*words, "--checkpoint_steps", "last"]) == 0
    assert {entry["step"] for entry in read_results(output)["results"]} == {1, 2}
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--checkpoint_steps", "first"])
    assert stopped.value.code == 2 and "'first' is no step" in capsys.readouterr().err
