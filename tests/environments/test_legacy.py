import asyncio
import functools
import json
import subprocess
import sys

import pytest

vf = pytest.importorskip("verifiers.legacy", reason="verifiers lives in an environment of its own")
ifeval = pytest.importorskip("ifeval")

from ifeval.legacy import SingleThinkXMLParser  # noqa: E402 (after the skip)

from lm_eval_tasks.benchmarks.rlvr.prompts import PLAIN_SYSTEM_PROMPT  # noqa: E402

SEED_SYSTEM_MESSAGE = (
    "Follow the user's instructions exactly. First, think step-by-step inside <think>...</think>. Then, "
    "after </think>, provide ONLY your final response that satisfies the user's constraints."
)
NO_COMMAS = json.dumps({"func_name": "validate_no_commas", "N": None})
LOWER = json.dumps({"func_name": "validate_lowercase", "N": None})
BOTH = f"[{NO_COMMAS}, {LOWER}]"


def row(question="Say something.", ground_truth=NO_COMMAS):
    return {"messages": [{"role": "user", "content": question}], "ground_truth": ground_truth}


@functools.cache
def sample(**settings):
    return vf.load_environment("ifeval", data="sample", **settings)


def score(environment, content, answer=NO_COMMAS, **message):
    """The state after the environment's own rubric judged one assistant message."""
    state = vf.State(
        input={"prompt": [], "answer": answer, "example_id": 0},
        completion=[{"role": "assistant", "content": content, **message}],
        trajectory=[],
    )
    asyncio.run(environment.rubric.score_group([state]))
    return state


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "reasoning"])
def environment(request):
    return sample(reasoning=request.param), request.param


def test_prompt_is_system_and_user_and_answer_is_the_ground_truth(environment):
    env, reasoning = environment
    for example in (*env.get_dataset(), *env.get_eval_dataset()):
        system, user = example["prompt"]
        assert system["role"] == "system" and user["role"] == "user"
        assert system["content"] == (SEED_SYSTEM_MESSAGE if reasoning else PLAIN_SYSTEM_PROMPT)
        assert user["content"] == example["question"]
        assert "func_name" in json.loads(example["answer"])
    assert env.env_id == "ifeval"


def test_plain_system_message_does_not_ask_for_thinking():
    assert "think" not in PLAIN_SYSTEM_PROMPT


def test_parser_is_none_without_reasoning(environment):
    env, reasoning = environment
    assert type(env.parser) is (SingleThinkXMLParser if reasoning else vf.Parser)


def test_the_parser_is_the_librarys_think_parser_but_for_several_blocks():
    parser = SingleThinkXMLParser()
    assert isinstance(parser, vf.ThinkParser)
    for text, same in (
        ("<think>a</think>b", True), ("a</think> b", True), ("no tag", True), ("<think>a", True),
        ("<think>a</think>b<think>c</think>d", False),
    ):  # fmt: skip
        assert (parser.parse(text) == vf.ThinkParser().parse(text)) is same, text
    # White space that ends an answer is the constraints' to judge.
    assert parser.parse("<think>a</think>\nb\n") == "b\n"
    completion = [{"role": "assistant", "content": "<think>a</think> \n"}]
    assert (
        parser.get_format_reward_func()(completion),
        vf.ThinkParser().get_format_reward_func()(completion),
    ) == (0, 1)


def test_seed_arguments_and_their_defaults():
    import inspect

    parameters = list(inspect.signature(ifeval.load_environment).parameters.values())[:3]
    assert [(p.name, p.default) for p in parameters] == [
        ("num_train_examples", -1), ("num_eval_examples", -1), ("reasoning", False),
    ]  # fmt: skip


def test_holdout_is_that_of_train_test_split_with_seed_42(folder):
    from datasets import Dataset

    rows = [row(f"Question {n}.") for n in range(40)]
    env = vf.load_environment("ifeval", data=folder(train=rows))
    expected = Dataset.from_list(rows).train_test_split(seed=42)
    for built, split in ((env.get_dataset(), "train"), (env.get_eval_dataset(), "test")):
        assert built["question"][:] == [example["messages"][0]["content"] for example in expected[split]]


def test_validation_comes_before_test_and_both_before_a_holdout(folder):
    three = {"train": [row("a")] * 4, "test": [row("b")], "validation": [row("c")]}
    for names, expected in (
        (("train", "test", "validation"), ["c"]),
        (("train", "test"), ["b"]),
    ):
        data = folder(**{name: three[name] for name in names})
        if "validation" not in names:
            from pathlib import Path

            (Path(data) / "rlvr_ifeval" / "validation.jsonl").unlink()
        env = vf.load_environment("ifeval", data=data)
        assert env.get_eval_dataset()["question"][:] == expected
        assert len(env.get_dataset()) == 4


def test_limits(folder):
    data = folder(train=[row(str(n)) for n in range(8)], test=[row(str(n)) for n in range(8)])
    env = vf.load_environment("ifeval", data=data, num_train_examples=3, num_eval_examples=100)
    assert (len(env.get_dataset()), len(env.get_eval_dataset())) == (3, 8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_train_examples": 0}, {"num_eval_examples": -2}, {"num_eval_examples": True},
        {"reasoning": "true"}, {"reward_mode": "some"}, {"data": "/nowhere"}, {"revision": "tulu"},
    ],
    ids=str,
)  # fmt: skip
def test_unusable_arguments_are_named(wrong):
    with pytest.raises(ValueError, match="/nowhere" if "data" in wrong else next(iter(wrong))):
        ifeval.load_environment(**({"data": "sample"} | wrong))


@pytest.mark.parametrize(
    ("content", "reward", "answer"),
    [
        ("No comma here", 1.0, "No comma here"),
        ("A comma, here", 0.0, "A comma, here"),
        ("<think>first, second</think>No comma", 0.0, "the whole message"),
        ("", 0.0, ""),
        (" \n", 0.0, ""),
    ],
)
def test_plain_judges_the_whole_message(content, reward, answer):
    env = sample()
    assert score(env, content)["reward"] == reward


@pytest.mark.parametrize(
    ("content", "constraint", "shaping"),
    [
        ("<think>one, two</think>No comma", 1.0, 0.2),
        ("<think>one</think>A, comma", 0.0, 0.2),
        ("  <think>\n</think>\n\nNo comma", 1.0, 0.2),
        ("No tags at all", 0.0, -0.2),
        ("thought</think>No comma", 1.0, -0.2),
        ("Well <think>one</think>No comma", 1.0, -0.2),
        ("<think>one</think>", 0.0, -0.2),
        ("<think>one</think> \n", 0.0, -0.2),
        ("<think>one", 0.0, -0.2),
        ("<think>a</think>x<think>b</think>No comma", 0.0, -0.2),
        ("<think>a<think>b</think>No comma", 0.0, -0.2),
        ("<think>a</think>b</think>No comma", 0.0, -0.2),
        ("</think>one<think>two", 0.0, -0.2),
        ("", 0.0, -0.2),
    ],
)
def test_reasoning_judges_what_follows_the_think_block(content, constraint, shaping):
    env = sample(reasoning=True)
    state = score(env, content)
    assert state["metrics"]["constraint_reward"] == constraint
    assert state["metrics"]["think_shaping"] == shaping
    assert state["reward"] == pytest.approx(constraint + shaping)
    assert env.parser.get_format_reward_func()(state["completion"]) == float(shaping > 0)


def test_reasoning_that_the_server_parsed_is_put_back():
    env = sample(reasoning=True)
    state = score(env, "No comma", reasoning_content="one, two")
    assert state["reward"] == pytest.approx(1.2)


def test_each_constraint_is_a_metric_and_fraction_mode_pays_shares():
    both = {"all": 0.0, "fraction": 0.5}
    for mode, expected in both.items():
        env = sample(reward_mode=mode)
        state = score(env, "No Comma", BOTH)
        assert state["reward"] == expected
        assert state["metrics"]["validate_no_commas"] == 1.0
        assert state["metrics"]["validate_lowercase"] == 0.0
        assert score(env, "no comma", BOTH)["reward"] == 1.0


def test_the_revision_chooses_the_constraint_functions():
    truth = json.dumps({"func_name": "validate_placeholders", "N": 2})
    assert score(sample(), "none", truth)["reward"] == 0.0
    assert score(sample(revision="tulu3"), "none", truth)["reward"] == 1.0


@pytest.mark.parametrize("reasoning", [False, True])
@pytest.mark.parametrize("answer", ["{", "[]", "7", '{"func_name": "verify_nothing"}', ""])
def test_unusable_ground_truth_never_earns_and_is_recorded(answer, reasoning):
    env = sample(reasoning=reasoning)
    state = score(env, "<think>a</think>b", answer)
    assert state["reward"] == 0.0
    assert state["metrics"]["problem"] == 1.0
    assert "ground_truth" in state["info"]["problem"] or "func_name" in state["info"]["problem"]


def test_bad_rows_are_recorded_and_do_not_stop_the_run(folder):
    bad = [
        "not json", "[1]", {"ground_truth": NO_COMMAS}, {"messages": [], "ground_truth": NO_COMMAS},
        {"messages": [{"role": "assistant", "content": "hello"}], "ground_truth": NO_COMMAS},
        {"messages": [{"role": "user", "content": ["parts"]}], "ground_truth": NO_COMMAS},
        {"messages": [{"role": "user", "content": None}], "ground_truth": NO_COMMAS},
        {"messages": "hello", "ground_truth": NO_COMMAS},
    ]  # fmt: skip
    ungradable = [row("x", "{"), row("y", '{"func_name": "verify_nothing"}'), row("z", None)]
    data = folder(train=[row("good"), *bad, *ungradable], test=[*ungradable, *bad, row("good")])
    env = vf.load_environment("ifeval", data=data)
    assert env.get_dataset()["question"][:] == ["good"]
    # What can be asked stays in the denominator.
    assert env.get_eval_dataset()["question"][:] == ["x", "y", "z", "good"]
    assert len(env.bad_rows) == 2 * (len(bad) + len(ungradable))
    places = [record.where for record in env.bad_rows]
    assert any(place.endswith("train.jsonl line 2") for place in places)
    assert all(record.problem for record in env.bad_rows)


def test_no_usable_row_is_one_clear_error(folder):
    with pytest.raises(ValueError, match=r"no usable row.*train\.jsonl line 1"):
        ifeval.load_environment(data=folder(train=["x"], test=[row()]))


def test_neither_torch_nor_v1_is_imported():
    code = (
        "import ifeval, sys; ifeval.load_environment(data='sample');"
        "assert 'torch' not in sys.modules and 'verifiers.v1' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
