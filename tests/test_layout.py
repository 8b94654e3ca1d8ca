"""The import directions of CONTRIBUTING.md: lm_eval_tasks <- distill <- trl_recipes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "lm_eval_tasks": {"distill", "trl_recipes", "torch", "transformers", "trl", "peft", "vllm"},
    "distill": {"trl_recipes"},
}


def imported_packages(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_follow_the_arrows(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        against = FORBIDDEN[package] & set(imported_packages(file))
        assert not against, f"{file.relative_to(ROOT)} imports {against}"


@pytest.mark.parametrize("statement", ["import lm_eval_tasks.benchmarks.ifeval.scorer", "import distill.cli"])
def test_light_imports_leave_torch_out(statement):
    code = f"{statement}\nimport sys\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_evaluates_data_or_trusts_remote_code():
    for package in ("lm_eval_tasks", "distill", "trl_recipes"):
        for file in (ROOT / package).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
            assert not calls & {"eval", "exec", "pickle.load", "pickle.loads"}, file
            assert "trust_remote_code=True" not in file.read_text(encoding="utf-8"), file
