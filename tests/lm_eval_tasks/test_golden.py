"""Prompts, demonstrations, documents, metrics and verdicts are what they were; see golden.py."""

import importlib.util
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def _load():
    spec = importlib.util.spec_from_file_location("golden", HERE / "golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


golden = _load()
EXPECTED = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", golden.NAMES)
def test_prompts_and_demonstrations_of_the_sample(name):
    assert golden.prompts(name, "sample") == EXPECTED["sample"][name]["prompts"]
    assert golden.demonstrations(name, "sample") == EXPECTED["sample"][name]["demonstrations"]


@pytest.mark.parametrize("name", golden.NAMES)
def test_prompts_and_demonstrations_of_the_real_rows(name, shared_data):
    assert golden.prompts(name, shared_data) == EXPECTED["real"][name]["prompts"]
    assert golden.demonstrations(name, shared_data) == EXPECTED["real"][name]["demonstrations"]


@pytest.mark.parametrize("name", golden.NAMES)
def test_metrics_of_fixed_responses(name):
    assert golden.metrics(name) == EXPECTED["scores"]["metrics"][name]


@pytest.mark.parametrize("name", [*golden.NAMES, "rlvr"])
def test_verdicts_and_totals_of_a_responses_file(name):
    assert golden.score_file(name) == EXPECTED["scores"]["score"][name]


def test_rewards_and_their_prompts():
    assert golden.rewards() == EXPECTED["scores"]["rlvr"]
