"""What makes a stage out of date, and what does not."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from distill.pipeline.config import load_run_config
from distill.pipeline.records import stage_prints, whole_print
from distill.pipeline.runner import run_stages
from distill.pipeline.stage import Part, Stage
from distill.pipeline.stages import build_stages
from lm_eval_tasks.errors import UserError

TASK = """
task: mine
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
doc_to_text: !function helper.text
doc_to_target: answer
"""
RUN = {
    "model_name_or_path": "model",
    "data": "data",
    "accelerate_config": "launch.yaml",
    "batch_size": 4,
    "benchmarks": {
        "gsm8k": {"config": "training.yaml", "num_fewshot": [0, 2], "checkpoint_steps": [2, 4]},
        "mine": {"config": "training.yaml", "num_fewshot": [0], "task": "task/mine.yaml"},
    },
    "conditions": {"sft": None, "baked": {"config": "distill.yaml"}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run file and all that it names; `model` and `data` are named from the working directory."""
    folder = tmp_path / "here"
    write(folder / "run.yaml", yaml.safe_dump(RUN))
    write(folder / "training.yaml", "# recipe\nlearning_rate: 2.0e-4\nmax_steps: 4\nlogging_steps: 10\n")
    write(folder / "distill.yaml", "top_k: 8\n")
    write(folder / "launch.yaml", "num_processes: 1\n")
    write(folder / "task" / "mine.yaml", TASK)
    write(folder / "task" / "rows.jsonl", '{"question": "a", "answer": "b"}\n')
    write(folder / "task" / "helper.py", "def text(doc): return doc['question']\n")
    for name in ("train", "test"):
        write(folder / "data" / "gsm8k" / f"{name}.jsonl", '{"question": "q", "answer": "#### 1"}\n')
    write(folder / "model" / "config.json", "{}")
    write(folder / "model" / "model.safetensors", "weights 1")
    write(folder / "model" / "tokenizer.json", "{}")
    monkeypatch.chdir(folder)
    return folder


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def prints(file=Path("run.yaml"), output=None):
    """The digests of all stages and parts, by name."""
    found = {}
    for stage in build_stages(load_run_config(file), file.parent, output or file.parent / "out"):
        own, parts = stage_prints(stage, found)
        found |= parts | {stage.name: whole_print(own, parts)}
    return found


def changed(before, after):
    return {name for name in before | after if before.get(name) != after.get(name)}


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def change_run(**keys):
    Path("run.yaml").write_text(yaml.safe_dump(RUN | keys))


def move(folder):
    moved = folder.with_name("there")
    folder.rename(moved)
    os.chdir(moved)


SAME = {
    "a comment": lambda _: edit(Path("training.yaml"), "# recipe", "# the recipe"),
    "a comment of the launcher": lambda _: edit(Path("launch.yaml"), "1", "1 # process"),
    "a comment of the task": lambda _: edit(Path("task/mine.yaml"), "task: mine", "task: mine # my own"),
    "how often it logs": lambda _: edit(Path("training.yaml"), "logging_steps: 10", "logging_steps: 5"),
    "a number otherwise spelled": lambda _: edit(Path("training.yaml"), "2.0e-4", "0.0002"),
    "a number that YAML takes for text": lambda _: edit(Path("training.yaml"), "2.0e-4", "2e-4"),
    "rows evaluated at once": lambda _: change_run(batch_size=8),
    "a moved folder": move,
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_cannot_change_a_result_makes_nothing_out_of_date(folder, change):
    before = prints()
    change(folder)
    assert changed(before, prints()) == set()


def test_another_spelling_of_the_run_file_or_the_output_is_the_same_run(folder, tmp_path):
    before = prints()
    assert changed(before, prints(folder / "run.yaml", tmp_path / "elsewhere")) == set()


def test_another_working_directory_is_the_same_run(folder, tmp_path, monkeypatch):
    change_run(model_name_or_path=str(folder / "model"), data=str(folder / "data"))
    before = prints()
    monkeypatch.chdir(tmp_path)
    assert changed(before, prints(Path("here/run.yaml"))) == set()


def test_the_order_of_conditions_concerns_the_report_alone(folder):
    before = prints()
    conditions = {name: RUN["conditions"][name] for name in ("sft", "baked")}  # they were sorted
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN | {"conditions": conditions}, sort_keys=False))
    assert changed(before, prints()) == {"report"}


MINE = {"gap-mine", "train-mine-sft", "train-mine-baked", "eval-mine", "mine"}
GSM8K = {"overlap", "gap-gsm8k", "train-gsm8k-sft", "train-gsm8k-baked", "eval-gsm8k"}
TRAINED = {name for name in MINE | GSM8K if name.startswith(("train-", "eval-"))}
MODEL = {name for name in MINE | GSM8K if name.startswith(("train-", "eval-", "gap-"))}
OTHER = {
    "weights": (lambda: write(Path("model/model.safetensors"), "weights 2"), MODEL),
    "a tokenizer": (lambda: write(Path("model/tokenizer.json"), '{"a": 1}'), MODEL),
    "rows of a benchmark": (lambda: write(Path("data/gsm8k/train.jsonl"), '{"question": "x"}\n'), GSM8K),
    "rows beside a task": (lambda: write(Path("task/rows.jsonl"), "{}\n"), MINE),
    "a function of a task": (lambda: write(Path("task/helper.py"), "text = str\n"), MINE),
    "how fast it learns": (lambda: edit(Path("training.yaml"), "2.0e-4", "3.0e-4"), TRAINED),
    "the launcher": (lambda: edit(Path("launch.yaml"), "1", "2"), TRAINED),
}


@pytest.mark.parametrize(("change", "wanted"), OTHER.values(), ids=OTHER)
def test_other_contents_make_out_of_date_what_is_made_of_them(folder, change, wanted):
    before = prints()
    change()
    stages = {name for name in changed(before, prints()) if "-" in name or name == "overlap"}
    assert stages == wanted - {"mine"}


def test_another_version_of_the_software_makes_everything_out_of_date(folder, monkeypatch):
    before = prints()
    monkeypatch.setattr("distill.pipeline.meaning.__version__", "another")
    assert changed(before, prints()) == before.keys()


@pytest.mark.parametrize("together", [False, True])
def test_a_further_condition_leaves_those_before_it_as_they_were(folder, together):
    change_run(together=together)
    before = prints()
    change_run(together=together, conditions=RUN["conditions"] | {"more": {"training": {"seed": 3}}})
    after = prints()
    for benchmark in ("gsm8k", "mine"):
        for name in ("sft", "baked"):
            assert before[f"train-{benchmark}-{name}"] == after[f"train-{benchmark}-{name}"]
    assert all(after[name] == digest for name, digest in before.items() if name.startswith(("sft", "baked")))
    assert {"more 2", "more 4", "more best"} <= set(after) - set(before)


def lists(tmp_path, *names, log="log.txt", changes=None):
    """A stage that adds a line for each part that its one file lacks, as a sweep does."""
    output, rows = tmp_path / "results.txt", tmp_path / "samples" / "results"
    script = f"""
import pathlib
output, rows = pathlib.Path({str(output)!r}), pathlib.Path({str(rows)!r})
rows.mkdir(parents=True, exist_ok=True)
held = output.read_text().split() if output.exists() else []
for name in {names!r}:
    if name not in held:
        open({str(tmp_path / log)!r}, "a").write(name + " ")
        held.append(name)
        (rows / name).write_text({str(changes)!r})
output.write_text(" ".join(held))
"""
    parts = tuple(Part(name, output, output, (changes or {}).get(name)) for name in names)
    command = (sys.executable, "-c", script)
    return Stage("sweep", command, output, output, meaning=1, parts=parts, beside=(rows,))


def test_of_a_file_with_further_parts_only_those_are_made(tmp_path, capsys):
    run_stages([lists(tmp_path, "a", "b")], tmp_path)
    run_stages([lists(tmp_path, "a", "b", "c")], tmp_path)
    run_stages([lists(tmp_path, "c", "b", "a")], tmp_path)
    assert (tmp_path / "log.txt").read_text() == "a b c " and not (tmp_path / ".replaced").exists()
    assert "up to date" in capsys.readouterr().out


def test_a_result_that_is_gone_is_made_again(tmp_path):
    for _ in range(2):
        run_stages([trains(tmp_path, a=1, b=1)], tmp_path)
        shutil.rmtree(tmp_path / "trained" / "a")
    assert (tmp_path / "log.txt").read_text() == "a b a "


@pytest.mark.parametrize("then", [("a",), ("a", "b")])
def test_of_a_file_with_a_changed_or_dropped_part_all_is_made_again_and_its_rows_go_along(
    tmp_path, then, capsys
):
    run_stages([lists(tmp_path, "a", "b")], tmp_path)
    changes = {"b": "otherwise"} if "b" in then else None
    run_stages([lists(tmp_path, *then, changes=changes)], tmp_path)
    old = tmp_path / ".replaced" / "1"
    assert (old / "results.txt").read_text() == "a b" and (tmp_path / "results.txt").read_text() == " ".join(
        then
    )
    assert (old / "samples" / "results" / "a").read_text() == "None"
    printed = capsys.readouterr().out
    for kept in ("results.txt", "samples/results"):
        assert f"an older result is kept as {old / kept}" in printed


def trains(tmp_path, **settings):
    """A stage that fills a folder for each part, passing over those that are filled."""
    folders = {name: str(tmp_path / "trained" / name) for name in settings}
    script = f"""
import pathlib
for name, folder in {folders!r}.items():
    done = pathlib.Path(folder) / "finished"
    if not done.exists():
        done.parent.mkdir(parents=True)
        done.touch()
        open({str(tmp_path / "log.txt")!r}, "a").write(name + " ")
"""
    parts = [
        Part(name, Path(folders[name]), Path(folders[name]) / "finished", settings[name]) for name in settings
    ]
    command = (sys.executable, "-c", script)
    return Stage("train", command, tmp_path / "trained", parts[-1].done_when, meaning=1, parts=tuple(parts))


def test_of_folders_of_their_own_only_the_changed_one_is_made_again(tmp_path):
    run_stages([trains(tmp_path, a=1, b=1)], tmp_path)
    run_stages([trains(tmp_path, a=1, b=2)], tmp_path)
    run_stages([trains(tmp_path, a=1, b=2, c=1)], tmp_path)
    run_stages([trains(tmp_path, b=2, a=1)], tmp_path)
    assert (tmp_path / "log.txt").read_text() == "a b b c "
    assert [path.name for path in (tmp_path / ".replaced" / "1" / "trained").iterdir()] == ["b"]


def test_what_comes_back_is_known_as_what_it_was(tmp_path):
    for settings in (
        {"a": 1, "b": 1},
        {"a": 1, "c": 1},
        {"a": 1, "b": 1},
        {"a": 1, "c": 1},
        {"a": 1, "b": 2},
    ):
        run_stages([trains(tmp_path, **settings)], tmp_path)
    assert (tmp_path / "log.txt").read_text() == "a b c b "


def ends(tmp_path, name, code=0, **more):
    output = tmp_path / f"{name}.txt"
    script = f"open({str(output)!r}, 'a').write('x'); raise SystemExit({code})"
    return Stage(name, (sys.executable, "-c", script), output, output, **more)


def test_a_failed_evaluation_ends_neither_the_other_stages_nor_the_report(tmp_path):
    sweep, other = ends(tmp_path, "eval-a", code=2, optional=True), ends(tmp_path, "train-b")
    report = ends(tmp_path, "report", after=("eval-a", "train-b"), report_on=(sweep.output,))
    for times in (1, 2):
        with pytest.raises(UserError, match="stage eval-a ended with exit code 2"):
            run_stages([sweep, other, report], tmp_path)
        # What it did not know it may know by now.
        assert report.output.read_text() == "x" * times and other.output.read_text() == "x"
    run_stages([ends(tmp_path, "eval-a", optional=True), other, report], tmp_path)
    assert json.loads((tmp_path / ".stages" / "report.json").read_text())["finished"] is True


def test_a_failed_training_leaves_a_report_on_what_is_there(tmp_path):
    gap, training = ends(tmp_path, "gap-a"), ends(tmp_path, "train-a", code=1)
    later = ends(tmp_path, "train-b")
    names = ("gap-a", "train-a", "train-b")
    report = ends(tmp_path, "report", after=names, report_on=(gap.output,))
    with pytest.raises(UserError, match="stage train-a ended with exit code 1"):
        run_stages([gap, training, later, report], tmp_path)
    assert report.output.exists() and not later.output.exists()


def test_without_a_result_there_is_no_report(tmp_path):
    report = ends(tmp_path, "report", after=("gap-a",), report_on=(tmp_path / "gap-a" / "gap.json",))
    with pytest.raises(UserError) as caught:
        run_stages([ends(tmp_path, "gap-a", code=1), report], tmp_path)
    assert "gap-a ended" in str(caught.value) and not report.output.exists()
