import importlib.util
import json
import logging
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[2]


def load_benchmark_module(name: str) -> ModuleType:
    """A file of benchmarks/, which is no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, REPOSITORY / "benchmarks" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def responses():
    return load_benchmark_module("ifeval_responses")


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """lm-eval's own checkers: (row, response) -> its metrics."""
    logging.getLogger("lm_eval.tasks.ifeval.instructions").setLevel(logging.CRITICAL)
    return load_benchmark_module("ifeval_reference").load_reference(tmp_path_factory.mktemp("nltk_data"))


@pytest.fixture(scope="session")
def ifeval_file():
    folder = Path(os.environ.get("ICL_DATA_DIR") or REPOSITORY.parent / "shared" / "data")
    path = folder / "ifeval" / "test.jsonl"
    if not path.is_file():
        pytest.skip(f"the 541 prompts of google/IFEval are not at {path}; set ICL_DATA_DIR to their folder")
    return path


@pytest.fixture(scope="session")
def ifeval_rows(ifeval_file):
    return [json.loads(line) for line in ifeval_file.read_text(encoding="utf-8").splitlines()]
