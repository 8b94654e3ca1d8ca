"""Constraints are open: one's own functions and classes, installed packages, and what comes first."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from lm_eval_tasks import constraint
from lm_eval_tasks.benchmarks.ifeval.scorer import check
from lm_eval_tasks.benchmarks.metric import resolve_metric
from lm_eval_tasks.benchmarks.rlvr.rewards import build_reward, grade
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring import constraints
from lm_eval_tasks.scoring.constraints import loading, registry

ROOT = Path(__file__).parents[2]

PACKAGE = '''
"""Two constraints: a function, and a class in the shape of Google's checkers."""

import random

from lm_eval_tasks import constraint


@constraint("rhymes:ending")
def ending(text: str, *, letters: str) -> bool:
    return all(line.endswith(letters) for line in text.splitlines())


@constraint("rhymes:shout")
class Shout:
    def __init__(self, instruction_id):
        self.id = instruction_id

    def build_description(self, *, marks=None):
        self.marks = marks if marks is not None else random.randint(1, 9)
        return f"Use {self.marks} exclamation marks."

    def get_instruction_args(self):
        return {"marks": self.marks}

    def get_instruction_args_keys(self):
        return ["marks"]

    def check_following(self, value):
        return value.count("!") == self.marks
'''
REGISTRY = """
class Long:
    def __init__(self, instruction_id):
        self.id = instruction_id

    def build_description(self, **kwargs):
        self.kwargs = kwargs

    def get_instruction_args(self):
        return self.kwargs or None

    def get_instruction_args_keys(self):
        return []

    def check_following(self, value):
        return len(value) > 9


INSTRUCTION_DICT = {id: Long for id in %r}
"""
ROWS = [
    {"prompt": "Shout.", "instruction_id_list": ["rhymes:shout"], "kwargs": [{"marks": 2.0}]},
    {
        "prompt": "Rhyme.",
        "instruction_id_list": ["rhymes:ending", "count:numbers"],
        "kwargs": [{"letters": "ay"}, {"N": 0}],
    },
]
ANSWERS = ["Hey! Ho!", "one day\ntwo may"]


def install(folder, name, files, entry_points):
    """What pip leaves of a package: its modules and a dist-info."""
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[icl_distill.constraints]\n{entry_points}\n")


def forget():
    for found in (loading._installed, loading._named):
        found.cache_clear()
    registry.DECLARED.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("rhymes", "likeifbench")]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv(loading.VARIABLE, raising=False)
    forget()
    yield
    forget()


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


@pytest.fixture
def rhymes(site):
    install(site, "rhymes", {"rhymes/__init__.py": PACKAGE}, "rhymes = rhymes")
    return site


@pytest.fixture
def likeifbench(site):
    """The layout of the public package: one module with a mapping of all 83 ids to classes."""
    ids = sorted(id for id in loading.own() if not id.startswith("multi_if:"))
    files = {"likeifbench/__init__.py": "", "likeifbench/instructions_registry.py": REGISTRY % (ids,)}
    install(site, "likeifbench", files, "all = likeifbench.instructions_registry:INSTRUCTION_DICT")
    return ids


def verdict(id, text, kwargs, prompt=""):
    return check(text, instruction_id_list=[id], kwargs=[kwargs], prompt=prompt).prompt_level_strict


def test_a_function_is_one_constraint():
    @constraint("mine:lines")
    def lines(text: str, *, n: int, kind: Literal["exactly", "at least"] = "exactly") -> bool:
        found = len(text.splitlines())
        return found == n if kind == "exactly" else found >= n

    assert verdict("mine:lines", "a\nb", {"n": 2.0, "kind": None, "other": None})
    assert not verdict("mine:lines", "a\nb\nc", {"n": 2})
    assert verdict("mine:lines", "a\nb\nc", {"n": 2, "kind": "at least"})
    for kwargs, named in [
        ({}, "lacks its argument 'n'"),
        ({"n": float("nan")}, "lacks its argument 'n'"),
        ({"n": -1}, "'n' must be a whole number"),
        ({"n": 1, "kind": "most"}, "'kind' must be one of exactly, at least"),
        ({"n": 1, "m": 2}, r"no argument 'm' \(it takes n, kind\)"),
    ]:
        with pytest.raises(UserError, match=named):
            verdict("mine:lines", "a", kwargs)
    assert lines("a", n=1)


def test_a_function_may_ask_for_the_prompt():
    @constraint("mine:not_the_prompt")
    def not_the_prompt(text: str, *, prompt: str) -> bool:
        return prompt not in text

    assert not verdict("mine:not_the_prompt", "Say it: no", {}, prompt="Say it")
    assert verdict("mine:not_the_prompt", "no", {}, prompt="Say it")


def test_two_functions_cannot_share_an_id_and_none_takes_one_of_ours():
    constraint("mine:x")(test_a_function_is_one_constraint)
    with pytest.raises(UserError, match="'mine:x' is declared twice"):
        constraint("mine:x")(Path.exists)
    constraint("count:numbers")(verdict)
    with pytest.raises(
        UserError, match=r"'count:numbers' of .*test_constraints is one of this package's own"
    ):
        constraints.find("count:numbers")


def test_what_is_no_constraint_is_refused():
    with pytest.raises(UserError, match="methods 'build_description' and 'check_following'"):
        constraint("mine:y")(int)


def test_a_class_is_built_for_every_row_and_never_draws_an_argument(rhymes):
    assert verdict("rhymes:shout", "Hey! Ho!", {"marks": 2.0, "other": None})
    assert not verdict("rhymes:shout", "Hey!", {"marks": 2})
    with pytest.raises(UserError, match=r"rhymes:shout lacks its argument 'marks' \(prompt 'Shout"):
        verdict("rhymes:shout", "Hey!", {}, prompt="Shout")
    with pytest.raises(UserError, match=r"rhymes:shout refuses the arguments .*unexpected keyword"):
        verdict("rhymes:shout", "Hey!", {"marks": 1, "mark": 2})


def test_rewards_use_them(rhymes):
    truth = json.dumps({"func_name": "rhymes:shout", "marks": 1})
    assert [grade(text, truth).reward for text in ("Hey!", "Hey!!")] == [1.0, 0.0]
    assert grade("4 and 5", json.dumps({"func_name": "count:numbers", "N": 2})).reward == 1.0
    assert grade("no, comma", json.dumps({"func_name": "punctuation:no_comma"})).reward == 0.0
    assert "lacks its argument" in grade("a", json.dumps({"func_name": "rhymes:ending"})).problem
    reward = build_reward()
    assert reward(
        ["one day", "one night"], [json.dumps({"func_name": "rhymes:ending", "letters": "ay"})] * 2
    ) == [1, 0]
    assert "unknown func_name 'rhymes:other'" in grade("a", '{"func_name": "rhymes:other"}').problem


def test_a_metric_uses_them_and_refuses_rows_with_unknown_ones(rhymes):
    metric = resolve_metric("ifbench")
    ids = ["rhymes:shout", "count:numbers"]
    row = {"prompt": "Shout.", "instruction_id_list": ids, "kwargs": [{"marks": 1}, {"N": 1}]}
    metric.check(row)
    assert [metric.score(reply, row) for reply in ("Hey 5!", "Hey!", "")] == [1.0, 0.0, 0.0]
    with pytest.raises(UserError, match="unknown constraint id 'rhymes:sing'"):
        metric.check(row | {"instruction_id_list": ["rhymes:sing", "count:numbers"]})


def test_an_unknown_id_fails_alone(rhymes):
    found = check(
        "a",
        instruction_id_list=["rhymes:shot", "rhymes:ending"],
        kwargs=[{}, {"letters": "a"}],
        fail_unknown=True,
    )
    assert found.inst_level_strict == (False, True) and not found.prompt_level_loose
    assert "unknown constraint id 'rhymes:shot'; did you mean 'rhymes:shout'?" in found.unknown[0]


def test_what_is_installed_changes_nothing_of_ours(likeifbench, caplog):
    assert not verdict("count:numbers", "long enough", {"N": 1})
    with caplog.at_level(logging.WARNING), pytest.raises(UserError, match="unknown constraint id 'no:such'"):
        constraints.find("no:such")
    assert "83 of its 83 constraints have ids of this package" in caplog.text
    assert "ICL_CONSTRAINTS=likeifbench.instructions_registry:INSTRUCTION_DICT" in caplog.text


@pytest.mark.parametrize(
    "named", ["likeifbench.instructions_registry", "likeifbench.instructions_registry:INSTRUCTION_DICT"]
)
def test_what_is_named_comes_first(likeifbench, named, monkeypatch):
    monkeypatch.setenv("ICL_CONSTRAINTS", named)
    assert len(likeifbench) == 83
    for id in likeifbench:
        assert [verdict(id, text, {}) for text in ("long enough", "short")] == [True, False]
    assert constraints.record()["constraints"]["ids"] == likeifbench


def test_a_broken_package_is_named_and_takes_no_other_away(rhymes):
    install(rhymes, "broken", {"broken_one.py": "import nothing_such"}, "b = broken_one")
    assert verdict("rhymes:shout", "Hey!", {"marks": 1})
    with pytest.raises(
        UserError, match=r"could not be loaded: b = broken_one of broken 1.2 \(ModuleNotFound"
    ):
        constraints.find("no:such")


def test_a_wrong_variable_is_an_error(monkeypatch):
    monkeypatch.setenv("ICL_CONSTRAINTS", "nothing_such:x")
    with pytest.raises(UserError, match="ICL_CONSTRAINTS: 'nothing_such:x' cannot be loaded"):
        constraints.find("count:numbers")


TASK = """
import json, sys
from lm_eval.tasks import TaskManager, get_task_dict
from lm_eval_tasks import TASK_DIR

manager = TaskManager(
    include_path=str(TASK_DIR), include_defaults=False, metadata={"data": sys.argv[1], "pool": "sample"}
)
task = get_task_dict(["ifbench_icl_0shot"], manager)["ifbench_icl_0shot"]
docs = list(task.test_docs())
found = [task.process_results(doc, [answer]) for doc, answer in zip(docs, json.loads(sys.argv[2]))]
print(json.dumps({"found": found, "metadata": task.config.metadata}))
"""


@pytest.fixture
def run(rhymes, tmp_path):
    """`run(*arguments)`: a process in which the package is installed."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(rhymes), str(ROOT)]),
        "HF_HUB_OFFLINE": "1",
    }

    def start(*arguments, **more):
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=environment | more, capture_output=True, text=True)

    return start


def test_the_task_uses_a_third_package(run, tmp_path):
    (tmp_path / "data" / "ifbench").mkdir(parents=True)
    unknown = {"prompt": "Sing.", "instruction_id_list": ["rhymes:sing"], "kwargs": [{}]}
    lines = [json.dumps(row) + "\n" for row in (*ROWS, unknown)]
    (tmp_path / "data" / "ifbench" / "test.jsonl").write_text("".join(lines))
    done = run("-c", TASK, tmp_path / "data", json.dumps([*ANSWERS, "la"]))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert [row["prompt_level_strict_acc"] for row in said["found"]] == [True, True, False]
    assert [row["scorer_error"] for row in said["found"]] == [False, False, True]
    assert [row["inst_level_strict_acc"] for row in said["found"]] == [[True], [True, True], [False]]
    assert "rhymes:sing" in done.stderr and "constraints" not in said["metadata"]
    strict = run("-c", TASK.replace('"pool"', '"strict": True, "pool"'), tmp_path / "data", "[]")
    assert strict.returncode != 0
    assert "1 of 3 rows" in strict.stderr and "unknown constraint id 'rhymes:sing'" in strict.stderr


def test_the_score_command_uses_it_and_counts_unknown_ids(run, tmp_path):
    rows = [row | {"response": answer} for row, answer in zip(ROWS, ANSWERS, strict=True)]
    unknown = {"prompt": "Sing.", "instruction_id_list": ["rhymes:sing"], "kwargs": [{}], "response": "la"}
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (*rows, unknown)))
    files = ["--responses", "r.jsonl", "--output", "o.json", "--verdicts", "v.jsonl"]
    command = ["-m", "distill.cli", "score", "--task", "ifbench", *files]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "unknown constraints in 1 responses, counted as failures; row 2 (line 3)" in done.stderr
    result = json.loads((tmp_path / "o.json").read_text())
    assert result["metrics"]["prompt_level_strict_acc"]["count"] == "2/3"
    assert result["per_instruction_type"]["rhymes:shout"]["strict"]["count"] == "1/1"
    assert result["unknown_constraints"]["rows"] == 1 == result["diagnostics"]["unknown_constraints"]
    verdicts = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert [one["error"] is None for one in verdicts] == [True, True, False]
    (tmp_path / "o.json").unlink()
    strict = run(*command, "--strict")
    assert strict.returncode == 2 and "rhymes:sing" in strict.stderr and not (tmp_path / "o.json").exists()
    both = run(*command, "--strict", "--keep_going")
    assert both.returncode == 2 and "--strict and --keep_going" in both.stderr
