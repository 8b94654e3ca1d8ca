"""`icl-distill doctor` tells what works from what does not, and what to do."""

import http.server
import json
import shutil
import subprocess
import sys
import threading
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from distill.installation.packages import MODULES
from lm_eval_tasks import TASK_DIR

from .environments import PROJECT, clone_harness

TASKS = """
import json
from dataclasses import asdict
from distill.installation.surroundings import tasks_finding
print(json.dumps(asdict(tasks_finding())))
"""


@pytest.fixture
def environment(make_environment, libraries, wheel):
    environment = make_environment(libraries())
    environment.install(wheel)
    return environment


@pytest.fixture
def with_report(make_environment, libraries, wheel):
    environment = make_environment(libraries("report"))
    environment.install(wheel)
    return environment


def examine(environment, **variables):
    """The exit code, and the findings by name."""
    done = environment.icl("doctor", "--json", **variables)
    told = json.loads(done.stdout)
    assert told["ok"] is (done.returncode == 0)
    return done.returncode, {finding["name"]: finding for finding in told["findings"]}


def test_extras_that_are_absent_are_no_problem(with_report):
    code, found = examine(with_report)
    assert code == 0
    assert {name: finding["status"] for name, finding in found.items()} == {
        "base": "ok", "eval": "absent", "train": "absent", "vllm": "absent", "report": "ok", "hub": "note",
    }  # fmt: skip
    assert "torch" in found["eval"]["found"]
    assert found["eval"]["remedy"] == 'pip install "icl-distill[eval]"'
    assert f"matplotlib {version('matplotlib')}" in found["report"]["found"]


def test_every_extra_for_users_is_looked_at():
    assert {name for name in MODULES if name} == set(PROJECT["optional-dependencies"]) - {"dev"}


def test_a_version_out_of_bounds(environment):
    metadata = environment.site / "tqdm-3.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: tqdm\nVersion: 3.0\n")
    code, found = examine(environment)
    assert code == 1
    assert found["base"]["status"] == "problem"
    assert "tqdm 3.0 is not <5,>=4.66" in found["base"]["found"]
    table = environment.icl("doctor")
    assert table.returncode == 1
    assert all(f"{finding['status']:8} {name} " in table.stdout for name, finding in found.items())


def test_a_library_that_does_not_load(with_report):
    (with_report.site / "matplotlib").mkdir()
    (with_report.site / "matplotlib" / "__init__.py").write_text("import os; os.abort()")
    code, found = examine(with_report)
    assert code == 1
    assert found["report"]["status"] == "problem" and "distill.report.write" in found["report"]["found"]
    assert found["base"]["status"] == "ok"


def test_a_folder_that_hides_every_lm_eval(environment):
    """What earlier versions of this package left behind."""
    (environment.site / "lm_eval" / "tasks" / "icl").mkdir(parents=True)
    code, found = examine(environment)
    assert code == 1
    assert found["lm_eval"]["status"] == "problem"
    assert str(environment.site / "lm_eval") in found["lm_eval"]["found"]
    assert "delete that folder" in found["lm_eval"]["remedy"]
    shutil.rmtree(environment.site / "lm_eval")
    assert examine(environment)[0] == 0


def test_a_package_that_stands_twice_on_the_path(environment, checkout):
    code, found = examine(environment, PYTHONPATH=checkout)
    assert code == 0
    assert found["distill"]["status"] == "note"
    assert f"imported from {checkout / 'distill'}" in found["distill"]["found"]
    assert f"hides {environment.site / 'distill'}" in found["distill"]["found"]


def test_the_hub(environment):
    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404)  # an answer is an answer
            self.end_headers()

        def log_message(self, *words):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    settings = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": address, "no_proxy": "127.0.0.1"}
    assert examine(environment, **settings)[1]["hub"]["status"] == "ok"
    server.shutdown()
    server.server_close()
    code, found = examine(environment, **settings)
    assert code == 0
    assert found["hub"]["status"] == "note" and f"{address} cannot be reached" in found["hub"]["found"]
    assert "HF_HUB_OFFLINE" in examine(environment)[1]["hub"]["found"]


def test_where_the_tasks_are(make_environment, libraries, wheel, harness_wheel, tmp_path):
    environment = make_environment(libraries(also=[Requirement("lm-eval"), Requirement("setuptools")]))
    environment.install(harness_wheel(version("lm-eval")), wheel)
    finding = json.loads(environment.ask(TASKS))
    assert finding["status"] == "note" and f"0 of {len(list(TASK_DIR.rglob('*.yaml')))}" in finding["found"]
    assert "icl-distill link-tasks, or lm_eval --include_path /" in finding["remedy"]
    assert environment.icl("link-tasks").returncode == 0
    assert json.loads(environment.ask(TASKS))["status"] == "ok"
    environment.install("--editable", clone_harness(tmp_path / "clone", version("lm-eval")))
    finding = json.loads(environment.ask(TASKS))
    assert finding["status"] == "note" and "editable" in finding["found"]
    assert finding["remedy"].startswith("lm_eval --include_path /")


@pytest.mark.slow
def test_this_environment():
    command = [sys.executable, "-m", "distill.cli", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = {finding["name"]: finding["status"] for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0, done.stdout
    assert {found[name] for name in ("base", "eval", "train", "report")} == {"ok"}
    assert found["gpu"] in ("ok", "note")
