"""The index of lm-eval's tasks, and `icl-distill tasks`."""

import json
import subprocess
import sys

import pytest
import yaml
from lm_eval.tasks import TaskManager

from distill.cli import main
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.harness_index import known_tasks, read_index
from lm_eval_tasks.sources.harness_listing import list_tasks, matching


@pytest.fixture(scope="module")
def listed():
    return list_tasks(known_tasks())


def test_the_index_is_lm_evals_own():
    ours, theirs = known_tasks(), TaskManager().task_index
    assert list(ours) == list(theirs)
    assert ours == theirs


def test_every_name_is_listed_with_a_reason_or_can_be_baked(listed):
    assert [row.name for row in listed] == sorted(known_tasks())
    tasks = [row for row in listed if row.kind == "task" and not row.reason]
    assert len(tasks) > 500
    assert all(row.train and row.train != (row.test or row.validation) for row in tasks)
    assert all(row.output_type in ("generate_until", "multiple_choice", "loglikelihood") for row in tasks)
    by_name = {row.name: row for row in listed}
    assert by_name["arc_easy"].reason == ""
    assert (by_name["arc_easy"].train, by_name["arc_easy"].test) == ("train", "test")
    assert by_name["gsm8k"].num_fewshot == 5
    assert "no training split" in by_name["mmlu_anatomy"].reason
    assert any("--train_split validation" in row.reason for row in listed)
    assert "rolling" in by_name["wikitext"].reason
    assert "Python class" in by_name["squadv2"].reason
    assert "unsafe_code" in by_name["humaneval"].reason
    assert by_name["ai2_arc"].members == 2
    assert by_name["mmlu"].members == 57
    assert {row.kind for row in listed if row.members is not None} == {"group", "tag"}
    assert "gsm8k" in by_name["gsm8k_icl_0shot"].reason


def test_patterns(listed):
    assert {row.name for row in matching(listed, "arc_easy")} >= {"arc_easy"}
    assert [row.name for row in matching(listed, "arc_eas?")] == ["arc_easy"]
    assert matching(listed, "no such") == []


def test_the_command_counts(listed, capsys):
    assert main(["tasks"]) == 0
    text = capsys.readouterr().out
    bakeable = sum(not row.reason for row in listed)
    assert f"can be baked: {bakeable:,} of {len(known_tasks()):,} names" in text
    assert "\narc_easy " in text
    assert "\nwikitext " not in text
    assert main(["tasks", "wikitext"]) == 0
    assert "loglikelihood_rolling" in capsys.readouterr().out
    assert main(["tasks", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["bakeable"], found["of"], len(found["tasks"])) == (bakeable, len(listed), len(listed))
    assert main(["tasks", "nothing like this"]) == 2


def test_the_list_needs_no_torch_and_runs_no_function(tmp_path):
    (tmp_path / "utils.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "a.yaml").write_text(
        "task: a\ndataset_path: nowhere/at_all\ntraining_split: train\ntest_split: test\n"
        "doc_to_text: !function utils.ask\ndoc_to_target: a\n"
    )
    code = (
        "import sys, pathlib\n"
        "from lm_eval_tasks.sources.harness_index import read_index\n"
        "from lm_eval_tasks.sources.harness_listing import list_tasks\n"
        f"rows = list_tasks(read_index(pathlib.Path({str(tmp_path)!r})))\n"
        "assert [(row.name, row.reason) for row in rows] == [('a', '')], rows\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def write(folder, name, **config):
    (folder / f"{name}.yaml").write_text(yaml.dump(config))


def test_collections(tmp_path):
    good = {"training_split": "train", "test_split": "test", "doc_to_text": "q", "doc_to_target": "a"}
    write(tmp_path, "a", task="a", tag="both", **good)
    write(tmp_path, "b", task="b", tag="both", **good | {"training_split": "test", "num_fewshot": 4})
    write(tmp_path, "c", task="c", **good | {"output_type": "loglikelihood_rolling"})
    write(tmp_path, "inner", group="inner", task=["a", {"task": "b", "training_split": "train"}])
    write(tmp_path, "outer", group="outer", task=["inner", "both", {"task": "new", **good}])
    write(tmp_path, "mixed", group="mixed", task=[{"group": "made", "task": ["a", "c"]}])
    write(tmp_path, "lost", group="lost", task=["a", "nowhere"])
    write(tmp_path, "none", group="none", task=["b"])
    rows = {row.name: row for row in list_tasks(read_index(tmp_path))}
    assert {name: row.members for name, row in rows.items() if row.members is not None} == {
        "both": 2, "inner": 2, "outer": 5, "mixed": 2, "lost": 0, "none": 1,
    }  # fmt: skip
    assert [name for name, row in rows.items() if not row.reason] == ["a", "both", "inner", "outer"]
    assert rows["outer"].num_fewshot == 4
    assert "the one evaluated" in rows["b"].reason
    assert "member c" in rows["mixed"].reason
    assert "'nowhere'" in rows["lost"].reason


def test_a_file_that_is_no_yaml(tmp_path):
    from lm_eval_tasks.sources.harness_index import read_config

    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(UserError, match=r"bad\.yaml"):
        read_config(tmp_path / "bad.yaml")
    assert read_index(tmp_path) == {}
