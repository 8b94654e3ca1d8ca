"""A further benchmark is one folder: loaded, evaluated by lm-eval and scored, with no other file touched."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DEFINITION = '''
"""Colours of things."""

from lm_eval_tasks.benchmarks.definition import ANSWER_SCORES, Benchmark
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.reading import Split, text_field
from lm_eval_tasks.scorefile.judging import AnswerJudge
from lm_eval_tasks.scoring.answers import ANSWER_METRICS, AnswerVerdict, answer_metrics


def parse(row, id, where):
    thing, colour = text_field(row, "thing", where), text_field(row, "colour", where)
    prompt = ({"role": "user", "content": f"What colour is {thing}? One word."},)
    return Episode("colors", id, prompt, thing, completion=colour, reference={"target": colour})


def right(response, target, *, opened_in_prompt=False):
    word = response.strip().strip(".").lower()
    return AnswerVerdict(word == target, target in word, word or None)


BENCHMARK = Benchmark(
    name="colors",
    title="Colours",
    dataset_title="Colours",
    evaluation=Split("me/colors", None, "test", "test.jsonl"),
    train=Split("me/colors", None, "train", "train.jsonl"),
    num_fewshot=2,
    parse=parse,
    score=lambda doc, response, at: answer_metrics(doc, response, right, at=at),
    metrics=ANSWER_METRICS,
    scores=ANSWER_SCORES,
    make_judge=lambda data: AnswerJudge(right),
    unrelated="gsm8k",
)
'''
BASE = """include: ../_generate_yaml
dataset_kwargs:
  benchmark: colors
generation_kwargs:
  until: []
  do_sample: false
  max_gen_toks: 4
metadata:
  version: 1.0
"""
FILES = {
    "__init__.py": DEFINITION,
    "_base_yaml": BASE,
    "colors_icl.yaml": "group: colors_icl\ntask:\n  - colors_icl_0shot\n  - colors_icl_fewshot\n",
    "colors_icl_0shot.yaml": "include: _base_yaml\ntask: colors_icl_0shot\nnum_fewshot: 0\n",
    "colors_icl_fewshot.yaml": "include: _base_yaml\ntask: colors_icl_fewshot\nnum_fewshot: 2\n",
}
TRAIN = [("grass", "green"), ("snow", "white"), ("coal", "black"), ("a ripe lemon", "yellow")]
TEST = [("blood", "red"), ("the clear sky", "blue")]

EVALUATE = """
import json, sys
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.sources import open_source

source = open_source("colors", data="sample")
manager = TaskManager(include_path=str(TASK_DIR), include_defaults=False, metadata={"data": "sample"})
lm = HFLM(pretrained=sys.argv[1], device="cpu")
found = simple_evaluate(lm, tasks=["colors_icl"], task_manager=manager, apply_chat_template=True)
few = found["samples"]["colors_icl_fewshot"][0]
print(json.dumps({
    "folder": str(TASK_DIR), "names": list(BENCHMARKS), "results": found["results"]["colors_icl_fewshot"],
    "rows": [len(source.train()), len(source.evaluation())],
    "doc": few["doc"], "prompt": few["arguments"][0][0],
}))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the packages with one folder more."""
    folder = tmp_path_factory.mktemp("house")
    for package in ("lm_eval_tasks", "distill"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    colors = folder / "lm_eval_tasks" / "benchmarks" / "colors"
    (colors / "sample").mkdir(parents=True)
    for name, text in FILES.items():
        (colors / name).write_text(text, encoding="utf-8")
    for name, rows in (("train", TRAIN), ("test", TEST)):
        lines = "".join(json.dumps({"thing": thing, "colour": colour}) + "\n" for thing, colour in rows)
        (colors / "sample" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def python(house, tmp_path):
    """`python(*arguments)`: what a process that imports from the copy prints."""

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": str(house)}
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_lm_eval_evaluates_it(python, house, model_dir):
    found = json.loads(python("-c", EVALUATE, model_dir).splitlines()[-1])
    assert Path(found["folder"]).is_relative_to(house)
    assert "colors" in found["names"] and found["rows"] == [4, 2]
    assert found["doc"] == {
        "benchmark": "colors", "id": "0", "question": "blood",
        "prompt": "What colour is blood? One word.", "target": "red",
    }  # fmt: skip
    assert found["prompt"].count("<|im_start|>assistant") == 3
    assert found["results"]["strict_acc,none"] == 0.0 and "truncated,none" in found["results"]


def test_a_file_of_responses_is_scored(python, tmp_path):
    rows = [{"response": "Red.", "target": "red"}, {"response": "It is blue.", "target": "blue"}]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = ["--responses", "r.jsonl", "--output", "o.json"]
    printed = python("-m", "distill.cli", "score", "--task", "colors", *files)
    assert "50.00%  (1/2" in printed
    metrics = json.loads((tmp_path / "o.json").read_text())["metrics"]
    assert (metrics["strict_acc"]["count"], metrics["flexible_acc"]["count"]) == ("1/2", "2/2")


def test_the_other_commands_know_it(python):
    assert "colors train: 4 rows" in python("-m", "distill.cli", "data", "check", "--data", "sample")
    overlap = python("-m", "distill.cli", "data", "overlap", "--task", "colors", "--data", "sample")
    assert "| colors | 4 training rows | 2 evaluated rows |" in overlap
    titles = "from distill.report.entries import title_of; print(title_of({'benchmark': 'colors'}))"
    assert python("-c", titles) == "Colours\n"


def test_no_module_elsewhere_names_a_benchmark():
    """Strings of code; docstrings and comments may illustrate."""
    names = re.compile(r"gsm8k|csqa|ifeval|ifbench|multi_if|rlvr|\bmath\b(?!-verify)", re.IGNORECASE)
    found = []
    for file in [*(ROOT / "lm_eval_tasks").rglob("*.py"), *(ROOT / "distill").rglob("*.py")]:
        if "benchmarks" in file.relative_to(ROOT).parts[:2]:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        nodes = list(ast.walk(tree))
        told = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                found += [(file.name, node.lineno, node.value)] if names.search(node.value) else []
            elif isinstance(node, ast.ImportFrom) and node.module and "benchmarks." in node.module:
                found += [(file.name, node.lineno, node.module)] if names.search(node.module) else []
    assert not found
