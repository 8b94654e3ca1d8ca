"""What brings the tasks to `lm_eval` neither makes, nor hides, nor damages an lm_eval package."""

import json
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from .environments import ROOT, clone_harness

VERSION = version("lm-eval")
NAMES = sorted(path.stem for path in (ROOT / "lm_eval_tasks" / "benchmarks").rglob("*.yaml"))
FIND = "import importlib.util as u; print(u.find_spec('lm_eval') and u.find_spec('lm_eval').origin)"
LIST = """
import json, sys
from lm_eval.tasks import TaskManager
manager = TaskManager(include_path=sys.argv[1:] or None, metadata={"data": "sample"})
ours = [name for name in manager.all_tasks if name == "icl" or "_icl" in name]
loaded = sorted(manager.load(["csqa_icl"])["tasks"]) if ours else []
print(json.dumps([ours, loaded]))
"""
LOADED = ["csqa_icl_0shot", "csqa_icl_fewshot"]
FOUND = [NAMES, LOADED]
NOTHING = [[], []]
# What builds an editable install where it is made.
BACKENDS = [Requirement(name) for name in ("hatchling", "editables", "setuptools")]


@pytest.fixture
def environment(make_environment, libraries):
    """With all that lm-eval needs, torch apart, and no lm-eval."""
    return make_environment(libraries(also=[Requirement("lm-eval"), *BACKENDS]))


def tasks(environment, *include, **options):
    """Our names that lm-eval knows, and the tasks of a group that it could load."""
    return json.loads(environment.ask(LIST, *include, **options))


def link(environment, **variables):
    done = environment.icl("link-tasks", **variables)
    assert done.returncode == 0, done.stderr
    assert f"{len(NAMES)} task files" in done.stdout


def refuse(environment, *expected, **variables):
    """`link-tasks` refuses, and the `--include_path` that it names works."""
    done = environment.icl("link-tasks", **variables)
    assert done.returncode == 2
    for text in (*expected, "Use: lm_eval --include_path "):
        assert text in done.stderr
    folder = done.stderr.split("--include_path ")[1].split(" ...")[0]
    assert tasks(environment, folder, **variables) == FOUND


def test_the_base_install_makes_no_lm_eval(make_environment, libraries, wheel):
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    packages = {name for name in top if not name.endswith(".dist-info")}
    assert packages == {"lm_eval_tasks", "distill", "trl_recipes"}
    environment = make_environment(libraries())
    environment.install(wheel)
    assert environment.ask(FIND) == "None"
    done = environment.icl("link-tasks")
    assert done.returncode == 2 and "there is no lm-eval" in done.stderr
    assert environment.ask(FIND) == "None"


@pytest.mark.parametrize("order", [("icl-distill", "lm_eval"), ("lm_eval", "icl-distill")], ids="-".join)
@pytest.mark.parametrize("editable", [False, True], ids=["wheel", "editable"])
def test_tasks_are_found_and_go_with_either_package(
    environment, wheel, checkout, harness_wheel, editable, order
):
    environment.install(harness_wheel(VERSION), *(["--editable", checkout] if editable else [wheel]))
    assert tasks(environment) == NOTHING
    link(environment)
    link(environment)  # again: nothing changes
    assert tasks(environment) == FOUND
    for path in environment.site.glob("*.dist-info/RECORD"):
        record = path.read_text().splitlines()
        assert len(record) == len(set(record))
        assert len([line for line in record if "icl_distill/" in line]) == len(NAMES)
    for package in order:
        environment.pip("uninstall", "--yes", package)
        assert "lm_eval" in order[: order.index(package) + 1] or tasks(environment) == NOTHING
        assert not (environment.site / "lm_eval" / "tasks" / "icl_distill").exists()
    assert not (environment.site / "lm_eval").exists()
    assert environment.ask(FIND) == "None"


def test_upgrades(environment, wheel, harness_wheel):
    environment.install(harness_wheel(VERSION), wheel)
    link(environment)
    environment.install("--force-reinstall", wheel)
    assert tasks(environment) == NOTHING
    link(environment)
    assert tasks(environment) == FOUND
    environment.install(harness_wheel(f"{VERSION}.post1"))
    assert environment.ask("import lm_eval; print(lm_eval.__version__)") == f"{VERSION}.post1"
    assert tasks(environment) == NOTHING
    assert not (environment.site / "lm_eval" / "tasks" / "icl_distill").exists()
    link(environment)
    assert tasks(environment) == FOUND


def test_an_lm_eval_that_becomes_editable(environment, wheel, harness_wheel, tmp_path):
    environment.install(harness_wheel(VERSION), wheel)
    link(environment)
    clone = clone_harness(tmp_path / "clone", VERSION)
    environment.install("--editable", clone)
    assert environment.ask(FIND) == str(clone / "lm_eval" / "__init__.py")
    before = sorted(clone.rglob("*"))
    refuse(environment, "editable", str(clone))
    assert [path for path in sorted(clone.rglob("*")) if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts
    ]
    environment.pip("uninstall", "--yes", "icl-distill")
    assert environment.ask(FIND) == str(clone / "lm_eval" / "__init__.py")


def test_a_target_folder(environment, wheel, harness_wheel, tmp_path):
    target = tmp_path / "target"
    environment.install("--target", target, harness_wheel(VERSION), wheel)
    link(environment, PYTHONPATH=target)
    assert tasks(environment, PYTHONPATH=target) == FOUND
    assert environment.ask(FIND) == "None"


def test_a_target_folder_beside_an_lm_eval_elsewhere(environment, wheel, harness_wheel, tmp_path):
    target = tmp_path / "target"
    environment.install(harness_wheel(VERSION))
    environment.install("--target", target, wheel)
    refuse(environment, str(target), str(environment.site), PYTHONPATH=target)
    environment.pip("uninstall", "--yes", "lm_eval")
    assert environment.ask(FIND, PYTHONPATH=target) == "None"


def test_a_user_installation(make_environment, libraries, wheel, harness_wheel):
    environment = make_environment(libraries(also=[Requirement("lm-eval"), *BACKENDS]), user=True)
    environment.install("--user", harness_wheel(VERSION), wheel)
    user = environment.folder / "user"
    assert environment.ask(FIND).startswith(str(user))
    link(environment)
    assert tasks(environment) == FOUND
    environment.pip("uninstall", "--yes", "icl-distill", "lm_eval")
    assert environment.ask(FIND) == "None"


def test_a_read_only_lm_eval(environment, wheel, harness_wheel):
    """Who may not write there is told what works; for root's sake a file stands in the folder's place."""
    environment.install(harness_wheel(VERSION), wheel)
    (environment.site / "lm_eval" / "tasks" / "icl_distill").write_text("")
    refuse(environment, "cannot write to")


def test_an_installer_that_would_leave_the_links(environment, wheel, harness_wheel):
    environment.install(harness_wheel(VERSION), wheel)
    (about,) = environment.site.glob("lm_eval-*.dist-info")
    (about / "INSTALLER").write_text("conda\n")
    refuse(environment, "conda")


def test_a_bare_checkout_works_with_include_path(environment, checkout, harness_wheel, tmp_path):
    # `python -m lm_eval`, like `python -c`, imports from the folder it is started in.
    environment.install(harness_wheel(VERSION))
    copy = shutil.copytree(checkout, tmp_path / "bare")
    assert tasks(environment, Path("lm_eval_tasks/benchmarks"), cwd=copy) == FOUND
    refuse(environment, "icl-distill is not installed by pip", PYTHONPATH=copy)
