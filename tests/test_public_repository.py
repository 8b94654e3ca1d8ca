"""The habits of a public repository say what is true."""

import tomllib
from pathlib import Path

import pytest
import yaml

from lm_eval_tasks import __version__

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_workflow_gives_the_commands_of_our_own_ci():
    (job,) = read(".github/workflows/ci.yml")["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["make install", "make lint", "make test"]
    ours = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in ours if line in commands] == commands
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tried = [f"Programming Language :: Python :: {found}" for found in job["strategy"]["matrix"]["python"]]
    assert [name for name in project["classifiers"] if name.startswith("Programming")] == tried


def test_the_citation_is_of_this_version():
    citation = read("CITATION.cff")
    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0" and citation["authors"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_issue_templates_are_forms(path):
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        assert found == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= found.keys()
    ids = [field["id"] for field in found["body"]]
    assert len(set(ids)) == len(ids) and all(field["attributes"]["label"] for field in found["body"])


@pytest.mark.parametrize("package", ["lm_eval_tasks", "distill", "trl_recipes", "environments/ifeval/ifeval"])
def test_packages_tell_type_checkers_that_they_are_typed(package):
    assert (ROOT / package / "py.typed").read_bytes() == b""
