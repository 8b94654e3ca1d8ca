"""What README promises in code: the trainer example runs as it stands, and the files that it names exist."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MODEL, FOLDER = '"Qwen/Qwen3-1.7B"', '"baked"'
LONGEST_EXAMPLE = 12


@pytest.fixture(scope="module")
def example():
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    return block


def test_the_trainer_example_is_short(example):
    assert len(example.splitlines()) <= LONGEST_EXAMPLE
    assert example.count(MODEL) == example.count(FOLDER) == 1


def test_the_trainer_example_trains_an_adapter(example, model_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "trained"
    code = example.replace(MODEL, repr(str(model_dir))).replace(FOLDER, repr(str(output)))
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert (output / "checkpoint-1" / "adapter_model.safetensors").is_file()
    trainer = names["trainer"]
    assert trainer.state.global_step == 1
    (row,) = trainer.train_dataset
    assert len(row["teacher_prompt_ids"]) > len(
        row["prompt_ids"]
    )  # the manual, which the student never reads


def test_linked_files_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    files = [link for link in links if "://" not in link]
    assert files
    assert [name for name in files if not (REPOSITORY / name).exists()] == []


def test_named_configs_and_scripts_exist():
    named = re.findall(r"(?:configs|scripts|trl_recipes)/[\w./-]+\.(?:yaml|py|jsonl)", README)
    assert named
    assert [name for name in named if not (REPOSITORY / name).is_file()] == []


def test_the_demo_table_has_its_place():
    begin, end = README.index("<!-- DEMO_TABLE_BEGIN -->"), README.index("<!-- DEMO_TABLE_END -->")
    assert begin < end
