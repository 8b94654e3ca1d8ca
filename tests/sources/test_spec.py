"""What a task's name opens, and which options fit which kind of task."""

import argparse
import json
import re

import pytest

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import Document
from lm_eval_tasks.sources import TaskSpec, open_source
from lm_eval_tasks.sources.benchmark import BenchmarkSource
from lm_eval_tasks.sources.lm_eval_single import LmEvalTask
from lm_eval_tasks.sources.other_inputs import OtherInputs
from lm_eval_tasks.sources.rows_source import JsonLinesSource
from lm_eval_tasks.sources.task_folder import write_task_folder

from .conftest import GENERATE


@pytest.fixture
def write(tmp_path):
    """`write(name, first, count)`: the path of a file of labelled rows q<first>, ..."""

    def run(name, first=0, count=10):
        rows = [{"prompt": f"q{i}", "completion": f"a{i}"} for i in range(first, first + count)]
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return run


def questions(rows):
    return [row.question for row in rows]


class TestNames:
    def test_a_bare_name_is_a_benchmark(self):
        source = open_source("gsm8k", data="sample")
        assert isinstance(source, BenchmarkSource)
        assert (source.name, source.data, source.num_fewshot) == ("gsm8k", "sample", 8)

    @pytest.mark.parametrize(("name", "known_as"), [("lm_eval:gsm8k", "gsm8k"), ("arc_easy", "arc_easy")])
    def test_other_names_are_lm_evals(self, monkeypatch, name, known_as):
        seen = []
        monkeypatch.setattr(
            "lm_eval_tasks.sources.lm_eval_loading.TaskManager.load", lambda self, spec: seen.append(spec)
        )
        with pytest.raises(UserError, match="lm-eval cannot load it"):
            open_source(name)
        assert seen == [[known_as]]

    def test_a_name_that_nobody_knows(self):
        with pytest.raises(UserError, match="lm-eval knows no task 'gsm8k_of_mine'"):
            open_source("gsm8k_of_mine")

    def test_a_path_of_a_yaml(self, write_task):
        path = write_task("template", GENERATE)
        source = open_source(str(path), num_fewshot=2, chat=False)
        assert isinstance(source, LmEvalTask)
        assert (source.name, source.num_fewshot, source.demonstration_mode) == (
            "lm_eval:template",
            2,
            "fixed",
        )
        assert source.evaluation()[0].prompt == "Q: thing 40\nA:"

    def test_a_yaml_beside_a_task_py_of_its_own_is_lm_evals(self, write_task):
        path = write_task("function", {**GENERATE, "doc_to_text": "!function task.ask"})
        (path.parent / "task.py").write_text("def ask(doc):\n    return doc['q']\n")
        assert open_source(str(path)).evaluation()[0].question == "thing 40"

    def test_a_missing_yaml(self, tmp_path):
        with pytest.raises(UserError, match=r"none.yaml does not exist"):
            open_source(str(tmp_path / "none.yaml"))


class TestRows:
    def test_one_file_is_split(self, write):
        source = open_source(write("orders.jsonl"))
        assert isinstance(source, JsonLinesSource)
        assert (source.name, len(source.train()), len(source.evaluation())) == ("orders", 8, 2)
        again = open_source(write("orders.jsonl"), demonstration_seed=7, demonstrations="fixed")
        assert again.evaluation() == source.evaluation(), "whatever the seed of the demonstrations"

    def test_with_rows_to_judge_nothing_is_split(self, write):
        source = open_source(write("t.jsonl"), evaluation=write("e.jsonl", 20, 2), metric="contains")
        assert (len(source.train()), questions(source.evaluation())) == (10, ["q20", "q21"])
        assert source.metric.name == "contains"

    def test_with_inputs_the_file_is_judged(self, write):
        source = open_source(write("t.jsonl", 0, 3), inputs=write("i.jsonl", 5, 2))
        assert (questions(source.evaluation()), questions(source.train())) == (
            ["q0", "q1", "q2"],
            ["q5", "q6"],
        )

    @pytest.mark.parametrize("inputs", [True, False])
    def test_a_file_that_is_judged_alone(self, write, inputs):
        path = write("t.jsonl", 0, 3)
        source = open_source(path, evaluation=path, inputs=write("i.jsonl", 5, 2) if inputs else None)
        assert len(source.evaluation()) == 3
        if inputs:
            assert questions(source.train()) == ["q5", "q6"]
        else:
            with pytest.raises(UserError, match="t: there are no rows to learn from; give --inputs"):
                source.train()

    def test_three_files_are_one_too_many(self, write):
        with pytest.raises(UserError, match="rows to learn from are named twice"):
            open_source(write("t.jsonl"), evaluation=write("e.jsonl", 20), inputs=write("i.jsonl", 30))

    def test_unlabelled_rows_alone(self, tmp_path):
        (tmp_path / "i.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
        source = open_source(str(tmp_path / "i.jsonl"))
        assert len(source.train()) == 2
        with pytest.raises(UserError, match="no row has a completion, so none can be evaluated"):
            source.evaluation()


@pytest.fixture
def folder(write, tmp_path):
    """A task file as `bake` writes it."""
    source = open_source(
        write("e.jsonl", 20, 2), evaluation=write("e.jsonl", 20, 2), demonstrations=write("d.jsonl", 40, 3)
    )
    return str(
        write_task_folder(tmp_path / "task", source, name="orders", max_new_tokens=9, metric="contains").yaml
    )


class TestFolder:
    def test_is_opened_as_its_rows(self, folder):
        source = open_source(folder)
        assert isinstance(source, JsonLinesSource)
        assert (source.name, source.metric.name, source.max_new_tokens) == ("orders", "contains", 9)
        assert questions(source.evaluation()) == ["q20", "q21"]
        assert questions(source.pool()) == ["q40", "q41", "q42"]
        assert source.num_fewshot == 3

    def test_without_the_file_beside_it(self, folder, tmp_path):
        (tmp_path / "task" / "task.py").unlink()
        text = (tmp_path / "task" / "task.yaml").read_text()
        text = text.replace("!function task.Rows", "lm_eval_tasks.harness.rows.RowsTask")
        (tmp_path / "task" / "task.yaml").write_text(text)
        assert open_source(folder).name == "orders"

    def test_with_other_files(self, folder, write):
        source = open_source(
            folder, inputs=write("i.jsonl"), demonstrations=write("d2.jsonl", 60, 1), metric="numeric"
        )
        assert (len(source.train()), questions(source.pool())) == (10, ["q60"])
        assert source.metric.name == "numeric"

    def test_its_rows_to_judge_are_its_own(self, folder, write):
        with pytest.raises(UserError, match=r"evaluation: .* is for a file of rows of one's own only"):
            open_source(folder, evaluation=write("e2.jsonl"))

    def test_a_broken_one(self, folder, tmp_path):
        (tmp_path / "task" / "task.yaml").write_text("class: !function task.Rows\ntask: x\n")
        with pytest.raises(UserError, match=r"task.yaml is no task file of rows"):
            open_source(folder)


class TestOptionsThatDoNotFit:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"evaluation": "e.jsonl"}, "evaluation: 'e.jsonl' is for a file of rows of one's own only"),
            (
                {"metric": "numeric"},
                "metric: 'numeric' is for rows of one's own only, and the task is 'gsm8k'",
            ),
            ({"demonstrations": "d.jsonl"}, "demonstrations: 'd.jsonl' is for rows of one's own only"),
            ({"train_split": "validation"}, "train_split: 'validation' is for tasks of lm-eval only"),
        ],
    )
    def test_a_benchmark(self, options, message):
        with pytest.raises(UserError, match=re.escape(message)):
            open_source("gsm8k", data="sample", **options)

    @pytest.mark.parametrize(
        "options", [{"evaluation": "e.jsonl"}, {"metric": "numeric"}, {"demonstrations": "d.jsonl"}]
    )
    def test_a_task_of_lm_eval(self, options):
        (name,) = options
        with pytest.raises(UserError, match=f"{name}: .* rows of one's own only, and the task is 'arc_easy'"):
            open_source("arc_easy", **options)

    def test_rows(self, write):
        with pytest.raises(UserError, match="train_split: 'x' is for tasks of lm-eval only"):
            open_source(write("t.jsonl"), train_split="x")

    def test_two_pools(self):
        with pytest.raises(UserError, match=r"named twice: train_split 'x' and inputs 'i.jsonl'"):
            TaskSpec("arc_easy", train_split="x", inputs="i.jsonl")

    def test_a_way_that_is_neither_mode_nor_file(self):
        with pytest.raises(UserError, match=r"'best' cannot be used; choose from fixed, .*or name a .jsonl"):
            TaskSpec("gsm8k", demonstrations="best")


class TestInputs:
    @pytest.mark.parametrize("chat", [True, False])
    def test_of_a_task_of_lm_eval(self, write_task, write, chat):
        source = open_source(str(write_task("t", GENERATE)), inputs=write("i.jsonl"), chat=chat)
        assert isinstance(source, OtherInputs)
        assert len(source.train()) == 10
        assert isinstance(source.train()[0].prompt, tuple if chat else str)

    def test_of_a_benchmark(self, write):
        source = open_source("gsm8k", data="sample", inputs=write("i.jsonl"))
        assert questions(source.train())[:2] == ["q0", "q1"]
        assert source.evaluation() == open_source("gsm8k", data="sample").evaluation()


class TestSpec:
    def test_demonstrations_are_a_way_or_a_file(self, write):
        way, file = TaskSpec("x", demonstrations="per_example"), TaskSpec("x", demonstrations="d.jsonl")
        assert (way.mode, way.demonstrations_file) == ("per_example", None)
        assert (file.mode, file.demonstrations_file) == (None, "d.jsonl")
        assert (TaskSpec("x").mode, TaskSpec("x").demonstrations_file) == (None, None)
        spec = TaskSpec(write("t.jsonl"), demonstrations=write("d.jsonl", 20, 3))
        source = spec.open()
        context = spec.context(source)
        assert (context.num_fewshot, context.demonstrations) == (3, "listed")
        assert questions(source.picker(2).fixed) == ["q20", "q21"]

    def test_the_context(self, tmp_path):
        (tmp_path / "rules.txt").write_text("Obey.\n")
        (tmp_path / "manual.md").write_text("Long.")
        spec = TaskSpec(
            "gsm8k", data="sample", num_fewshot=2, demonstrations="per_example", demonstration_seed=3,
            system_instruction=str(tmp_path / "rules.txt"), document=(str(tmp_path / "manual.md"),),
            privileged="completion", privileged_template="{question}{privileged}",
        )  # fmt: skip
        context = spec.context(spec.open())
        assert (context.num_fewshot, context.demonstrations, context.demonstration_seed) == (
            2,
            "per_example",
            3,
        )
        assert context.system_instruction == "Obey."
        assert context.documents == (Document("manual.md", "Long."),)
        assert (context.privileged, context.privileged_template) == ("completion", "{question}{privileged}")
        bare = TaskSpec("gsm8k", data="sample")
        assert (bare.context(bare.open()).num_fewshot, bare.context(bare.open()).demonstrations) == (
            8,
            "fixed",
        )

    def test_of_whatever_has_its_fields(self):
        args = argparse.Namespace(task="gsm8k", data=None, num_fewshot=4, document=["a", "b"], other=1)
        assert TaskSpec.of(args) == TaskSpec("gsm8k", num_fewshot=4, document=("a", "b"))
        assert TaskSpec.of(args, task="math", document=None) == TaskSpec("math", num_fewshot=4)
        assert TaskSpec.of(argparse.Namespace(task="x", document="one.md")).document == ("one.md",)

    def test_opening_with_changes(self):
        assert open_source(TaskSpec("gsm8k"), data="sample").data == "sample"
