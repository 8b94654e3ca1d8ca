"""`icl-distill bake` on a tiny model that a prompt changes: what is written, what is refused, what goes on."""

import json
from pathlib import Path

import pytest

from distill.cli import main

SCORE_KEYS = {"correct", "n", "score", "interval"}
KEYS = {
    "model", "task", "base", "prompted", "sft", "baked", "baked_prompted", "gap_closed", "divergence",
    "prompt_tokens", "seconds", "adapter", "metric", "members", "lm_eval_command",
}  # fmt: skip
SHORT = ["--max_steps", "2", "--save_steps", "1", "--batch_size", "16", "--max_new_tokens", "4"]
WORDS = ["color", "thing", "item", "toy", "house", "tree"]


def write(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(begin, n, **more):
    return [{"prompt": f"{begin} {WORDS[i % 6]} {WORDS[i // 6]}?", **more} for i in range(n)]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Rows to evaluate (by a column), to learn from, to show."""
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        row | {"kind": ("seen", "unseen")[i % 2]} for i, row in enumerate(asked("say", 12, completion="red"))
    ]
    write(folder / "eval.jsonl", rows)
    write(folder / "inputs.jsonl", asked("name", 16))
    write(folder / "labelled.jsonl", asked("name", 16, completion="red"))
    write(folder / "demos.jsonl", asked("give", 2, completion="red"))
    return folder


def words_of(files, model, output, **changes):
    """A command line; a change to None takes an option away."""
    options = {
        "model": model, "eval": files / "eval.jsonl", "inputs": files / "inputs.jsonl",
        "demonstrations": files / "demos.jsonl", "output": output,
    } | changes  # fmt: skip
    words = ["bake"]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return [*words, *SHORT]


@pytest.fixture(scope="session")
def baked(files, teachable, stages, tmp_path_factory):
    """A folder baked from demonstrations and unlabelled inputs, its command line, and its `bake.json`."""
    output = tmp_path_factory.mktemp("baked") / "out"
    words = words_of(files, teachable, output, by="kind", learning_rate="5e-3")
    assert main(words) == 0
    return output, words, json.loads((output / "bake.json").read_text())


def test_a_bake_says_what_it_has_shown(baked):
    output, _, outcome = baked
    print(json.dumps(outcome, indent=1))
    assert outcome.keys() >= KEYS
