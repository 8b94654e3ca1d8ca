"""Demonstrations, data and limits chosen on the command line, through the harness's own path."""

import json
import re
from pathlib import Path

import lm_eval.tasks
import pytest
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.options import TaskOptions
from lm_eval_tasks.sources import open_source

FEWSHOT = ("ifeval_icl_fewshot", "gsm8k_icl_fewshot", "csqa_icl_fewshot", "math_icl_fewshot")


@pytest.fixture(scope="module")
def lm(make_lm):
    return make_lm("chatml")


@pytest.fixture
def shown(prompts, lm):
    """`shown(task, ...)`: per prompt what stands before the question."""

    def run(task, **more):
        found = prompts(lm, task, limit=3, **more)
        assert len(found) == 3
        return [prompt.rsplit("<|im_start|>user", 1)[0] for prompt in found]

    return run


def test_fixed_demonstrations_are_the_same_for_every_question(shown):
    first, *others = shown("gsm8k_icl_fewshot")
    assert first.count("<|im_start|>assistant") == 8
    assert others == [first] * len(others)


def test_per_example_demonstrations_differ_and_repeat_with_the_seed(shown):
    chosen = shown("gsm8k_icl_fewshot", metadata={"demonstrations": "per_example"})
    assert len(set(chosen)) == len(chosen)
    assert chosen == shown("gsm8k_icl_fewshot", metadata={"demonstrations": "per_example"})
    assert chosen != shown(
        "gsm8k_icl_fewshot", metadata={"demonstrations": "per_example", "demonstration_seed": 7}
    )


def test_shuffled_permutes_answers_only(shown):
    def turns(text, role):
        return re.findall(rf"<\|im_start\|>{role}\n(.*?)<\|im_end\|>", text, re.DOTALL)

    fixed, shuffled = (
        shown("csqa_icl_fewshot", metadata={"demonstrations": m})[0] for m in ("fixed", "shuffled")
    )
    assert turns(fixed, "user") == turns(shuffled, "user")
    assert turns(fixed, "assistant") != turns(shuffled, "assistant")
    assert sorted(turns(fixed, "assistant")) == [f"Answer: {letter}" for letter in "ABCDE"]
    assert sorted(turns(shuffled, "assistant")) == sorted(turns(fixed, "assistant"))


def test_zero_shows_none_and_says_so(prompts, evaluate, lm):
    zero = prompts(lm, "gsm8k_icl_fewshot", metadata={"demonstrations": "zero"})
    assert zero == prompts(lm, "gsm8k_icl_0shot")
    results = evaluate(lm, "gsm8k_icl_fewshot", metadata={"demonstrations": "zero"})
    assert results["configs"]["gsm8k_icl_fewshot"]["metadata"]["demonstrations"] == "zero"


def _write(folder, name, split, rows):
    (folder / name).mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / name / f"{split}.jsonl").write_text(lines, encoding="utf-8")


@pytest.mark.parametrize("mode", ["fixed", "per_example"])
def test_no_evaluated_question_is_shown_however_it_is_written(shown, tmp_path, mode):
    """The training file holds the evaluated questions again: with a comma more, in capitals, spaced."""
    asked = [f"How much is {n} and {n}, in all?" for n in range(2, 8)]
    again = [asked[0].replace(" and", ", and"), asked[1].upper(), asked[2].replace(" ", "  "), asked[3] + "!"]
    others = [f"How much is {n} and one more?" for n in range(20, 24)]
    _write(tmp_path, "gsm8k", "test", [{"question": one, "answer": "#### 4"} for one in asked])
    _write(tmp_path, "gsm8k", "train", [{"question": one, "answer": "#### 4"} for one in again + others])
    metadata = {"data": str(tmp_path), "demonstrations": mode}
    for text in shown("gsm8k_icl_fewshot", num_fewshot=3, metadata=metadata):
        assert text.count("<|im_start|>assistant") == 3
        assert not any(question in text for question in again)
        assert sum(question in text for question in others) == 3


def test_options_in_another_order_make_no_other_question(shown, tmp_path):
    rows = open_source("csqa", data="sample").raw_rows("evaluation")[:6]
    turned = []
    for row in rows:
        labels, texts = row["choices"]["label"], row["choices"]["text"]
        right = labels[(labels.index(row["answerKey"]) - 1) % 5]
        choices = {"label": labels, "text": [*texts[1:], texts[0]]}
        turned.append({**row, "id": row["id"][::-1], "choices": choices, "answerKey": right})
    _write(tmp_path, "csqa", "validation", rows)
    _write(tmp_path, "csqa", "train", [*turned, *open_source("csqa", data="sample").raw_rows("train")])
    for text in shown("csqa_icl_fewshot", metadata={"data": str(tmp_path)}):
        assert text.count("<|im_start|>assistant") == 5
        assert not any(row["question"] in text for row in rows)


def test_num_fewshot_is_the_harness_option(shown):
    assert shown("math_icl_fewshot", num_fewshot=2)[0].count("<|im_start|>assistant") == 2


def test_the_pool_can_be_another_than_the_data(shown, gsm8k_folder):
    text = shown("gsm8k_icl_fewshot", num_fewshot=1, metadata={"pool": str(gsm8k_folder)})[0]
    assert any(question in text for question in ("One and one?", "Two and two?", "Four and four?"))


def test_one_run_measures_the_gap_and_logs_what_it_was_asked(evaluate, lm):
    results = evaluate(lm, "csqa_icl", limit=2)
    assert {name: results["n-shot"][name] for name in ("csqa_icl_0shot", "csqa_icl_fewshot")} == {
        "csqa_icl_0shot": 0, "csqa_icl_fewshot": 5,
    }  # fmt: skip
    metadata = results["configs"]["csqa_icl_fewshot"]["metadata"]
    assert metadata["data_source"] == metadata["pool_source"] == "sample"
    assert len(metadata["data_fingerprint"]) == len(metadata["pool_fingerprint"]) == 16
    assert (metadata["demonstrations"], metadata["demonstration_seed"]) == ("fixed", 42)


def test_another_runs_cached_prompts_are_never_served(prompts, lm):
    plain = prompts(lm, "gsm8k_icl_fewshot", cache_requests=True)
    again = prompts(lm, "gsm8k_icl_fewshot", cache_requests=True, metadata={"demonstration_seed": 7})
    assert plain != again


def test_multiple_choice_compares_the_letters(evaluate, lm):
    results = evaluate(lm, "csqa_icl_mc", limit=4)
    sample = results["samples"]["csqa_icl_mc"][0]
    assert [arguments[1] for arguments in sample["arguments"]] == [f"Answer: {letter}" for letter in "ABCDE"]
    assert 0 <= results["results"]["csqa_icl_mc"]["acc,none"] <= 1


def test_the_umbrella_group_has_all_tasks():
    manager = TaskManager(include_path=str(TASK_DIR), include_defaults=False, metadata={"data": "sample"})
    assert sorted(manager.load(["icl"])["tasks"]) == sorted(
        [
            f"{name}_icl_{shots}"
            for name in ("ifeval", "ifbench", "multi_if", "gsm8k", "csqa", "math")
            for shots in ("0shot", "fewshot")
        ]
        + ["csqa_icl_mc"]
    )


def test_no_name_is_one_of_lm_evals_own():
    names = re.compile(rb"^(?:task|group): *['\"]?([\w.-]+)", re.MULTILINE)
    folder = Path(lm_eval.tasks.__file__).parent
    theirs = {
        name.decode()
        for path in folder.rglob("*.yaml")
        if not path.is_symlink()  # those of `icl-distill link-tasks` are our own
        for name in names.findall(path.read_bytes())
    }
    ours = set(TaskManager(include_path=str(TASK_DIR), include_defaults=False).all_tasks)
    assert len(ours) == 20
    assert len(theirs) > 1000
    assert not ours & theirs


class TestWrongOptions:
    @pytest.mark.parametrize(
        ("metadata", "message"),
        [
            ({"demonstrations": "random"}, "'random'; choose from fixed, per_example, shuffled, zero"),
            ({"demonstration": "zero"}, "unknown key 'demonstration'; did you mean 'demonstrations'"),
            ({"data_dir": "x"}, "unknown key 'data_dir'; did you mean 'data'"),
            ({"Data": "x"}, "unknown key 'Data'; did you mean 'data'"),
            ({"demos": "zero"}, "unknown key 'demos'; did you mean 'demonstrations'"),
            ({"thinking": True}, "unknown key 'thinking'; did you mean 'enable_thinking'"),
            ({"enable_thinking": "yes"}, "enable_thinking is 'yes'; it must be of type bool"),
            ({"demonstration_seed": 1.5}, "demonstration_seed is 1.5; it must be of type int"),
        ],
    )
    def test_are_named(self, metadata, message):
        with pytest.raises(UserError, match=re.escape(message)):
            TaskOptions.from_metadata(metadata)

    def test_are_told_from_the_models_arguments(self):
        metadata = {
            "pretrained": "x",
            "dtype": "float32",
            "data_parallel_size": 1,
            "seed": 3,
            "config_source": "y",
        }
        assert TaskOptions.from_metadata(metadata) == TaskOptions()

    def test_missing_data_is_one_clear_error(self, evaluate, lm, tmp_path):
        with pytest.raises(UserError, match="does not exist"):
            evaluate(lm, "gsm8k_icl_0shot", metadata={"data": str(tmp_path)})


@pytest.mark.parametrize("benchmark", ["ifeval", "gsm8k", "csqa", "math"])
def test_versions_agree_and_stand_in_the_change_log(benchmark):
    folder = TASK_DIR / benchmark
    versions = {load_yaml(path)["metadata"]["version"] for path in folder.glob("*.yaml")}
    assert len(versions) == 1
    changes = (folder / "README.md").read_text(encoding="utf-8").partition("## Changes")[2]
    assert f"- {versions.pop()}: " in changes
