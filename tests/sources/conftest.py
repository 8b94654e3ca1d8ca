"""Tasks of lm-eval in many shapes, written as YAML files over local JSON lines."""

import json

import pytest
import yaml
from lm_eval.tasks import TaskManager

from lm_eval_tasks.sources.lm_eval_task import open_lm_eval_task

COLOURS = ["red", "green", "blue", "grey", "pink", "white", "black", "brown"]
UTILS = """
from datasets import Dataset, DatasetDict


def ask(doc):
    return f"How does {doc['q']} look? Say:"


def tell(doc):
    return doc["a"].upper()


def shout(docs):
    return docs.filter(lambda doc: doc["n"] % 3 != 2).map(lambda doc: {"q": doc["q"] + "!"})


def made(rows=6, **_):
    table = [{"q": f"made {i}", "a": str(i * i), "n": i} for i in range(rows)]
    test = [{"q": "seven", "a": "49", "n": 7}]
    return DatasetDict({"train": Dataset.from_list(table), "test": Dataset.from_list(test)})


def samples():
    return [{"q": f"sample {i}", "a": f"answer {i}"} for i in range(3)]


def judge(doc, results):
    return {"mine": float(results[0].strip() == doc["a"])}
"""


def rows(first, count):
    return [
        {
            "q": f"thing {i}", "a": COLOURS[i % len(COLOURS)], "n": i, "label": i % 3, "letter": "ABC"[i % 3],
            "options": [f"{COLOURS[(i + j) % 8]} {i}" for j in range(3)], "all": [f"one {i}", f"uno {i}"],
            "choice": str(i % 2), "end": f"fits {i}.",
        }
        for i in range(first, first + count)
    ]  # fmt: skip


GENERATE = {"doc_to_text": "Q: {{q}}\nA:", "doc_to_target": "{{a}}"}
CHOOSE = {
    "output_type": "multiple_choice", "doc_to_text": "Q: {{q}}\nA:", "doc_to_target": "label",
    "doc_to_choice": "options",
}  # fmt: skip
SHAPES = {
    "template": GENERATE,
    "field": {"doc_to_text": "q", "doc_to_target": "a"},
    "function": {"doc_to_text": "!function utils.ask", "doc_to_target": "!function utils.tell"},
    "list_target": {**GENERATE, "doc_to_target": "all"},
    "listed_text": {**GENERATE, "doc_to_target": "['{{a}}', 'x']"},
    "index_of_choices": {**GENERATE, "doc_to_target": "label", "doc_to_choice": ["one", "two", "three"]},
    "process_docs": {**GENERATE, "process_docs": "!function utils.shout"},
    "description": {
        **GENERATE, "description": "About {{q}}.\n", "target_delimiter": " => ",
        "fewshot_delimiter": "\n##\n",
    },
    "gen_prefix": {**GENERATE, "doc_to_text": "Q: {{q}}", "gen_prefix": "The answer is"},
    "gen_prefix_field": {**GENERATE, "doc_to_text": "Q: {{q}} ", "gen_prefix": "{{letter}}) "},
    "fewshot_config": {
        **GENERATE,
        "fewshot_config": {
            "split": "dev", "doc_to_text": "Example: {{q}} is", "doc_to_target": "!function utils.tell",
            "target_delimiter": "-> ", "fewshot_delimiter": "\n---\n",
        },
    },
    "fewshot_split": {**GENERATE, "fewshot_split": "dev"},
    "choice_field": CHOOSE,
    "choice_text": {**CHOOSE, "doc_to_target": "letter", "doc_to_choice": ["A", "B", "C"]},
    "choice_template": {**CHOOSE, "doc_to_target": "{{label}}", "doc_to_choice": "{{options}}"},
    "choice_dict": {**CHOOSE, "doc_to_choice": {"a": "yes", "b": "no", "c": "maybe"}, "target_delimiter": ""},
    "choice_gen_prefix": {**CHOOSE, "doc_to_text": "Q: {{q}}", "gen_prefix": "Answer:"},
    "multiple_input": {
        "output_type": "multiple_choice", "doc_to_text": "{{choice}}", "doc_to_target": "end",
        "doc_to_choice": "{{[options[0], options[1]]}}",
    },
    "loglikelihood": {
        "output_type": "loglikelihood", "doc_to_text": "{{q}} is", "doc_to_target": "{{' ' + a}}",
        "target_delimiter": "",
    },
    "custom_dataset": {**GENERATE, "custom_dataset": "!function utils.made"},
    "judged": {**GENERATE, "process_results": "!function utils.judge", "metric_list": [
        {"metric": "mine", "aggregation": "mean", "higher_is_better": True}]},
    "first_n": {**CHOOSE, "fewshot_config": {"sampler": "first_n", "split": "dev"}},
    "samples": {**GENERATE, "fewshot_config": {"sampler": "first_n", "samples": "!function utils.samples"}},
    "sample_rows": {**GENERATE, "fewshot_config": {
        "sampler": "first_n", "samples": [{"q": f"row {i}", "a": f"word {i}"} for i in range(3)]}},
}  # fmt: skip
LISTED = ("first_n", "samples", "sample_rows")
"""Shapes whose demonstrations lm-eval itself shows in a fixed order."""


class _Dumper(yaml.SafeDumper):
    """Writes `!function module.name` as the tag that it is."""


def _text(dumper, value):
    if value.startswith("!function "):
        return dumper.represent_scalar("!function", value.removeprefix("!function "))
    return dumper.represent_scalar("tag:yaml.org,2002:str", value)


_Dumper.add_representer(str, _text)


@pytest.fixture
def write_task(tmp_path):
    """`write_task(name, config, train=, dev=, test=)`: the path of a YAML that includes the common part."""

    def write(name, config, **splits):
        splits = {"train": rows(0, 9), "dev": rows(20, 6), "test": rows(40, 3)} | splits
        (tmp_path / "utils.py").write_text(UTILS, encoding="utf-8")
        files = {}
        for split, table in splits.items():
            files[split] = str(tmp_path / f"{name}-{split}.jsonl")
            (tmp_path / f"{name}-{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in table))
        base = {
            "training_split": "train", "test_split": "test", "output_type": "generate_until",
            "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
        }  # fmt: skip
        if "custom_dataset" not in config:
            base |= {
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": files, "cache_dir": str(tmp_path / "cache")},
            }
        (tmp_path / f"_{name}_base").write_text(yaml.dump(base, Dumper=_Dumper), encoding="utf-8")
        config = {"task": name, "include": f"_{name}_base"} | config
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.dump(config, Dumper=_Dumper, sort_keys=False), encoding="utf-8")
        return path

    return write


@pytest.fixture
def open_task(write_task):
    """`open_task(name, config, chat=True, ...)`: a source of a YAML written for it."""

    def make(name, config, *, chat=True, splits=None, **options):
        return open_lm_eval_task(str(write_task(name, config, **(splits or {}))), chat=chat, **options)

    return make


@pytest.fixture(scope="session")
def plain_manager():
    """lm-eval's own loader, without its 14,000 tasks."""
    return TaskManager(include_defaults=False)


@pytest.fixture
def ids(make_tokenizer):
    """`ids(prompt)`: token ids of an episode's prompt, as lm-eval renders it with a ChatML template."""
    tokenizer = make_tokenizer("chatml")

    def encode(prompt):
        text = prompt if isinstance(prompt, str) else render(tokenizer, list(prompt))
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    return encode


@pytest.fixture
def template(make_tokenizer):
    """What lm-eval is handed as `chat_template`: as `HFLM.apply_chat_template`."""
    tokenizer = make_tokenizer("chatml")
    return lambda messages, add_generation_prompt=True: render(tokenizer, messages, add_generation_prompt)


def render(tokenizer, messages, begin=None):
    begin = messages[-1]["role"] != "assistant" if begin is None else begin
    return tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=begin, continue_final_message=not begin
    )
