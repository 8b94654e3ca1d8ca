"""What is published: the wheel and the sdist, built and installed where nothing of ours is."""

import json
import subprocess
import sys
import tarfile
import zipfile

import pytest

from .environments import PROJECT, ROOT, build_wheel

PACKAGES = ("lm_eval_tasks", "distill", "trl_recipes")
ABOUT = """
import json, sys
import distill.cli, lm_eval_tasks
from lm_eval_tasks import TASK_DIR, open_source
from lm_eval_tasks.extras import requirements
names = ("ifeval", "gsm8k", "csqa", "math")
rows = {name: len(open_source(name, data="sample").evaluation()) for name in names}
heavy = sorted({"torch", "transformers", "lm_eval"} & set(sys.modules))
print(json.dumps([str(TASK_DIR), lm_eval_tasks.__version__, rows, heavy, len(requirements())]))
"""


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder],
        check=True,
        cwd=checkout,
    )
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(params=["wheel", "sdist"])
def built(request, tmp_path):
    """The wheel; once out of the checkout, once out of the sdist, as an index would serve it."""
    if request.param == "wheel":
        return request.getfixturevalue("wheel")
    return build_wheel(request.getfixturevalue("sdist"), tmp_path / "built")


@pytest.mark.slow
def test_a_clean_environment(make_environment, libraries, built):
    environment = make_environment(libraries())
    environment.install(built)
    folder, version, rows, heavy, count = json.loads(environment.ask(ABOUT))
    assert folder == str(environment.site / "lm_eval_tasks" / "benchmarks")
    assert all(rows.values()) and heavy == []
    assert all((environment.site / package / "py.typed").is_file() for package in PACKAGES)
    assert count == len(PROJECT["dependencies"])
    command = subprocess.run([environment.bin / "icl-distill", "--version"], capture_output=True, text=True)
    assert command.stdout.strip() == version
    environment.pip("uninstall", "--yes", "icl-distill")
    left = {path.name for path in environment.site.iterdir()} - {"libraries.pth", "__pycache__"}
    assert left == set()


def test_the_sdist_builds_the_same_wheel(wheel, sdist, tmp_path):
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(build_wheel(sdist, tmp_path)) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())
        names = set(first.namelist())
    # Nothing of the checkout that is no package of ours, such as src/, is published.
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            name = path.relative_to(ROOT)
            unpublished = path.is_dir() or any(part.startswith((".", "__py")) for part in name.parts)
            assert unpublished or name.as_posix() in names
    with tarfile.open(sdist) as archive:
        top = {name.split("/")[1] for name in archive.getnames()}
    assert top >= {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "configs", "tests"}
