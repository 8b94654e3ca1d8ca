"""Several processes that write into one results file."""

import json
import subprocess
import sys
import time

import pytest

from distill.evaluation.results import ResultsFile, read_results
from lm_eval_tasks.errors import UserError

ENTRIES = 15
SECONDS = 300
WRITER = """
import sys, time
from pathlib import Path
from distill.evaluation.results import ResultsFile

folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
file = ResultsFile(folder / "results.json", "checkpoints")
(folder / f"{name}.ready").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
for step in range(count):
    entry = dict.fromkeys(
        ["model", "request", "diagnostics", "data", "demonstrations", "prompts", "versions"], {}
    )
    named = {"condition": name, "step": step, "benchmark": "gsm8k", "view": "bare", "num_fewshot": 0}
    named["metrics"] = {"acc": {}}
    file.add(entry | named, [{"id": f"{name} {step}"}])
"""


def test_two_processes_lose_none_of_each_others_entries(tmp_path):
    names = ("one", "other")
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name, str(ENTRIES)]) for name in names]
    end = time.monotonic() + SECONDS
    while not all((tmp_path / f"{name}.ready").exists() for name in names):
        assert time.monotonic() < end and all(writer.poll() is None for writer in writers)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [writer.wait(SECONDS) for writer in writers] == [0, 0]
    entries = read_results(tmp_path / "results.json")["results"]
    wanted = sorted((name, step) for name in names for step in range(ENTRIES))
    assert sorted((entry["condition"], entry["step"]) for entry in entries) == wanted
    for entry in entries:
        row = json.loads((tmp_path / entry["samples"]).read_text())
        assert row["id"] == f"{entry['condition']} {entry['step']}"


def test_problems_are_noted_beside_what_was_measured_and_go_when_there_are_none(tmp_path):
    file = ResultsFile(tmp_path / "results.json", "checkpoints")
    file.note(["step 3 is missing"])
    assert read_results(file.path)["problems"] == ["step 3 is missing"]
    file.note([])
    assert "problems" not in read_results(file.path)


@pytest.mark.parametrize("metrics", [{}, 3])
def test_an_entry_without_metrics_is_named(tmp_path, metrics):
    named = {"condition": "base", "step": None, "benchmark": "gsm8k", "num_fewshot": 0, "metrics": metrics}
    rest = ("model", "request", "diagnostics", "data", "demonstrations", "prompts", "versions", "samples")
    file = tmp_path / "results.json"
    content = {"schema": "icl-distill/results", "schema_version": 1, "kind": "gap"}
    file.write_text(json.dumps(content | {"results": [dict.fromkeys(rest) | named]}))
    with pytest.raises(UserError, match=r"results\[0\]\.metrics holds no metric"):
        read_results(file)
