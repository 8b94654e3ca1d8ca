"""Every command starts at once, and says which extra it lacks before it does anything."""

import json
import subprocess
import sys
from functools import cache
from importlib.metadata import version

import pytest

from distill.cli import COMMANDS

from .environments import ROOT, Environment

HEAVY = {"torch", "transformers", "trl", "peft", "lm_eval", "vllm", "datasets", "scipy", "matplotlib"}
HEAVY |= {"accelerate", "numpy", "pandas", "pydantic", "statsmodels", "sympy"}
HELP = """
import sys
from distill.cli import main
try:
    main([*sys.argv[1:], "--help"])
except SystemExit as error:
    assert error.code == 0, error.code
print("LOADED", *sys.modules)
"""
ACTIONS = ("check", "preview", "overlap", "make-ifeval")
LINES = [(name,) for name in COMMANDS] + [("data", action) for action in ACTIONS]

# Words that reach the work itself, and what is lacking in the base install.
ROWS, RUN = str(ROOT / "configs" / "orders" / "eval.jsonl"), str(ROOT / "configs" / "demo.yaml")
ASKED = ("--model", "demo", "--task", "gsm8k", "--data", "sample")
LACKING = {
    "demo-model": ((), "eval"),
    "tasks": ((), "eval"),
    "cache-teacher": (("--config", RUN), "train"),
    "bake": ((*ASKED, "--output", "out"), "train,report"),
    "gap": ((*ASKED, "--output", "out.json"), "eval"),
    "answers": ((*ASKED, "--output", "out.jsonl"), "eval"),
    "eval": (("--config", RUN, "--conditions", "x", "--base_dir", ".", "--output", "out.json"), "eval"),
    "retention": (("--model", "demo", "--conditions", "x", "--base_dir", ".", "--output", "out"), "eval"),
    "report": ((str(ROOT),), "report"),
    "leaderboard": ((str(ROOT), "--output", "out.json"), "report"),
    "run": ((RUN, "--output_dir", "out"), "train,report"),
    "data preview": ((*ASKED,), "eval"),
    "data check": (("--task", "arc_easy"), "eval"),
    "data overlap": (("--task", "arc_easy"), "eval"),
}
NEEDS_NOTHING = {"doctor", "link-tasks", "score", "data make-ifeval"}


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_help_loads_nothing_heavy(words):
    done = subprocess.run([sys.executable, "-c", HELP, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage: icl-distill" in done.stdout
    loaded = done.stdout.split("LOADED ")[1].split()
    assert not HEAVY & set(loaded)


def test_every_command_has_its_case_here():
    names = {" ".join(words) for words in LINES} - {"data"}
    assert set(LACKING) | NEEDS_NOTHING == names


@pytest.fixture(scope="module")
def install(tmp_path_factory, libraries, wheel, harness_wheel):
    """`install(extra, ...)`: an environment with this package and these extras; made once each."""

    @cache
    def make(*extras):
        environment = Environment(tmp_path_factory.mktemp("environment") / "venv", libraries(*extras))
        # Whatever extra the test asks for has lm-eval in it.
        environment.install(wheel, *([harness_wheel(version("lm-eval"))] if extras else []))
        return environment

    return make


@pytest.fixture(scope="module")
def base(install):
    return install()


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_the_base_install_has_every_help(base, words):
    done = base.icl(*words, "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", LACKING)
def test_the_base_install_says_which_extra_is_missing(base, tmp_path, command):
    words, extra = LACKING[command]
    done = base.icl(*command.split(), *words, cwd=tmp_path)
    assert done.returncode == 2
    assert f'Run: pip install "icl-distill[{extra}]"' in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "bake"])
def test_a_job_without_the_report_stops_before_it_trains(install, tmp_path, command):
    environment = install("train")
    done = environment.icl(command, *LACKING[command][0], cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"icl-distill {command}: ")
    assert "matplotlib" in done.stderr and 'pip install "icl-distill[report]"' in done.stderr
    assert "torch" not in done.stderr  # what is there is not named
    assert list(tmp_path.iterdir()) == []
    code = "from distill import bake; bake(model='demo', task='gsm8k', data='sample', output='out')"
    called = environment.run("-c", code, cwd=tmp_path)
    assert "UserError: " in called.stderr and "icl-distill[report]" in called.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_base_install_scores(base, tmp_path):
    rows, scores = tmp_path / "responses.jsonl", tmp_path / "scores.json"
    rows.write_text('{"response": "so 1/2", "target": "\\\\frac{1}{2}"}\n', encoding="utf-8")
    done = base.icl("score", "--task", "math", "--responses", rows, "--output", scores)
    assert done.returncode == 0, done.stderr
    assert json.loads(scores.read_text())["rows"] == 1
