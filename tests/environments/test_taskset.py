import asyncio

import pytest

vf = pytest.importorskip("verifiers.v1", reason="verifiers lives in an environment of its own")
pytest.importorskip("ifeval")

from ifeval import load_environment  # noqa: E402 (after the skip)
from ifeval.core import is_gradable  # noqa: E402
from ifeval.taskset import IFEvalConfig, IFEvalTaskset  # noqa: E402
from verifiers.v1.utils.loaders import load_taskset, taskset_config_type  # noqa: E402


def taskset(**settings):
    return load_taskset(IFEvalConfig.model_validate({"id": "ifeval", "data": "sample", **settings}))


def scored(task, content, reasoning_content=None):
    message = vf.AssistantMessage(content=content, reasoning_content=reasoning_content)
    trace = vf.Trace(
        task=vf.TraceTask(type="IFEvalTask", data=task.data),
        agent={"config": {}},
        nodes=[{"message": message, "sampled": True}],
    )
    asyncio.run(task.score(trace))
    return trace


def test_the_id_leads_to_the_taskset():
    assert isinstance(taskset(), IFEvalTaskset)
    assert taskset_config_type("ifeval") is IFEvalConfig


@pytest.mark.parametrize("split", ["train", "eval"])
def test_validate_passes_on_every_sample_row(split):
    tasks = list(taskset(split=split))
    assert len(tasks) == {"train": 112, "eval": 38}[split]
    assert all(asyncio.run(task.validate(None)) for task in tasks)
    assert all(task.data.satisfying and task.data.violating for task in tasks)


@pytest.mark.parametrize(
    ("ground_truth", "satisfying", "violating"),
    [
        ("{", None, None),
        ('{"func_name": "verify_nothing"}', None, None),
        ('{"func_name": "verify_letter_frequency", "letter": "ab", "N": 1}', None, None),
        ('{"func_name": "validate_no_commas"}', "a, b", None),
        ('{"func_name": "validate_no_commas"}', "a b", "a b"),
    ],
)
def test_validate_fails_where_nothing_could_be_learned(ground_truth, satisfying, violating):
    assert not is_gradable(ground_truth, satisfying, violating)


@pytest.mark.parametrize("reasoning", [False, True])
def test_same_questions_prompts_and_rewards_as_the_legacy_face(reasoning):
    legacy = pytest.importorskip("ifeval.legacy")
    env = load_environment(reasoning=reasoning, data="sample")
    rubric = legacy.IFEvalRubric(parser=env.parser, reasoning=reasoning, mode="all")
    tasks = list(taskset(task={"reasoning": reasoning}))
    assert tasks
    for example, task in zip(env.get_eval_dataset(), tasks, strict=True):
        system, user = example["prompt"]
        assert (task.data.system_prompt, task.data.prompt) == (system["content"], user["content"])
        assert task.data.ground_truth == example["answer"]
        for text in (
            task.data.satisfying,
            task.data.violating,
            f"<think>x</think>{task.data.satisfying}",
            "",
        ):
            completion = [{"role": "assistant", "content": text}]
            found = rubric.grade(completion, example["answer"])
            trace = scored(task, text)
            assert trace.reward == pytest.approx(found.reward)
            assert trace.metrics["problem"] == float(found.problem is not None)
            assert set(found.verdicts) <= set(trace.metrics)


def test_parsed_reasoning_is_put_back():
    task = next(iter(taskset(task={"reasoning": True})))
    assert scored(task, task.data.satisfying, "thought").reward == pytest.approx(1.2)


def test_the_revision_chooses_the_constraint_functions():
    of = {
        revision: next(
            task
            for task in taskset(task={"revision": revision})
            if "validate_placeholders" in task.data.ground_truth
        )
        for revision in ("main", "tulu3")
    }
    violating = of["main"].data.violating
    assert [scored(task, violating).reward for task in of.values()] == [0.0, 1.0]
    # A row whose constraint always holds tells nothing.
    assert [asyncio.run(task.validate(None)) for task in of.values()] == [True, False]


def test_limits():
    assert len(list(taskset(num_eval_examples=5))) == 5
    assert len(list(taskset(split="train", num_train_examples=7))) == 7
