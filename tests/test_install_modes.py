"""lm-eval finds our tasks after a wheel install, an editable install, and from a bare checkout.

Each mode has a throw-away environment with an lm-eval of its own; the other libraries are this environment's.
pip builds and installs there without a network.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import lm_eval
import pytest

pytest.importorskip("hatchling", reason="builds the wheel; part of the extra `dev`")
pytest.importorskip("editables", reason="hatchling needs it for editable installs; part of the extra `dev`")

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "lm_eval_tasks" / "benchmarks").rglob("*.yaml"))
PROBE = """
import json, sys
from lm_eval.tasks import TaskManager
manager = TaskManager(include_path=sys.argv[1:] or None, metadata={"data": "sample"})
print(json.dumps(sorted(manager.load(["csqa_icl"])["tasks"])))
"""
LOADED = ["csqa_icl_0shot", "csqa_icl_fewshot"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The files of the project that a build reads."""
    target = tmp_path_factory.mktemp("checkout") / "icl-distill"
    for folder in ("lm_eval_tasks", "distill", "trl_recipes"):
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    return target


def _most_tasks(at: str, names: list[str]) -> set[str]:
    """What is not copied of lm-eval: its ten thousand task files but one folder, and ours."""
    tasks = [name for name in names if (Path(at) / name).is_dir() and name != "gsm8k"]
    return {"__pycache__", *(tasks if Path(at).name == "tasks" else ())} & set(names)


class Environment:
    """A virtual environment that has nothing of ours."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        self.site = next(folder.glob("lib/python*/site-packages"))
        # Read after the environment's own folder; .pth files in there, ours among them, are not.
        (self.site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
        shutil.copytree(
            Path(lm_eval.__file__).parent,
            self.site / "lm_eval",
            ignore=_most_tasks,
            copy_function=os.link,
        )

    @property
    def stubs(self) -> Path:
        """Where the installed task files are."""
        return self.site / "lm_eval" / "tasks" / "icl"

    def pip(self, *arguments: str) -> None:
        """Run this environment's pip on that one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet", *arguments]
        subprocess.run(command, check=True)

    def list_tasks(self, *options: str | Path, cwd: Path) -> list[str]:
        """Names of our tasks that `lm_eval ls tasks` prints; `python -m lm_eval` is the same command."""
        table = self._run("-m", "lm_eval", "ls", "tasks", *options, cwd=cwd)
        names = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
        return sorted(name for name in names if name == "icl" or "_icl" in name)

    def load_group(self, *include: Path, cwd: Path) -> list[str]:
        """The tasks of a group that lm-eval could load."""
        return list(json.loads(self._run("-c", PROBE, *include, cwd=cwd)))

    def _run(self, *arguments: str | Path, cwd: Path) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(self.python), *map(str, arguments)]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd, env=environment
        ).stdout


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "environment")


@pytest.mark.parametrize("editable", [False, True], ids=["wheel", "editable"])
def test_installing_adds_the_tasks_and_uninstalling_removes_them(environment, checkout, tmp_path, editable):
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed"]
    environment.pip("install", *options, *(["--editable"] if editable else []), str(checkout))
    assert environment.list_tasks(cwd=tmp_path) == NAMES
    assert environment.load_group(cwd=tmp_path) == LOADED
    assert (environment.site / "lm_eval_tasks").exists() is not editable
    copied = {path.suffix for path in environment.stubs.rglob("*") if path.is_file()}
    assert copied == {".yaml", ".md", ""}  # the task files alone: neither code nor rows
    sample = environment.site / "lm_eval_tasks" / "benchmarks" / "csqa" / "sample" / "validation.jsonl"
    assert sample.is_file() is not editable
    page = environment.site / "distill" / "report" / "html" / "templates" / "report.html.j2"
    assert page.is_file() is not editable  # the report's files that are no Python
    environment.pip("uninstall", "--yes", "icl-distill")
    assert not environment.stubs.exists()
    assert environment.list_tasks(cwd=tmp_path) == []


def test_a_bare_checkout_works_with_include_path(environment, checkout):
    # `python -m lm_eval`, like `python -c`, imports from the folder it is started in.
    folder = Path("lm_eval_tasks/benchmarks")
    assert environment.list_tasks("--include_path", folder, cwd=checkout) == NAMES
    assert environment.load_group(folder, cwd=checkout) == LOADED
