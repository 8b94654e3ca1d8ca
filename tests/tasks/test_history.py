"""Conversations whose earlier answers are recorded, or are the evaluated model's own."""

import json
import re

import pytest
from lm_eval.tasks import TaskManager

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.history import fill, unanswered
from lm_eval_tasks.harness.options import TaskOptions
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.reading import sample_file
from lm_eval_tasks.sources import open_source

TASK = "multi_if_icl_0shot"
ROLES = (("user", "?"), ("assistant", "!"), ("assistant", None))
TURN = re.compile(r"<\|im_start\|>(user|assistant)\n(.*?)<\|im_end\|>", re.DOTALL)


@pytest.fixture(scope="module")
def lm(make_lm):
    return make_lm("chatml")


@pytest.fixture(scope="module")
def unrecorded(tmp_path_factory):
    """A data folder with two dialogues of the sample as the hub has them, without answers."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "multi_if").mkdir()
    lines = sample_file("multi_if", "test.jsonl").read_text("utf-8").splitlines()[:2]
    rows = [{k: v for k, v in json.loads(line).items() if not k.endswith("_response")} for line in lines]
    rows[1] |= {"turn_3_prompt": "None", "turn_3_instruction_id_list": "None", "turn_3_kwargs": "None"}
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "multi_if" / "test.jsonl").write_text(text, encoding="utf-8")
    return str(folder)


def test_recorded_answers_stand_in_earlier_turns(evaluate, lm):
    found = evaluate(lm, TASK, limit=6)
    samples = found["samples"][TASK]
    for sample in samples:
        shown = TURN.findall(sample["arguments"][0][0])
        assert [role for role, _ in shown] == ["user", "assistant"] * (sample["doc"]["turn"] - 1) + ["user"]
    row = open_source("multi_if", data="sample").raw_rows("evaluation")[0]
    assert TURN.findall(samples[2]["arguments"][0][0])[3][1] == row["turn_2_response"]
    assert "earlier_answers_written" not in found["configs"][TASK]["metadata"]
    results = found["results"][TASK]
    assert results["turn_3_prompt_level_strict_acc_stderr,none"] == 0.0
    assert results["prompt_level_strict_acc_stderr,none"] == "N/A"
    assert sum(sample["turn_2_overall"] is not None for sample in samples) == 2


@pytest.mark.parametrize("data", ["unrecorded", "sample"])
def test_the_models_own_answers_stand_there(evaluate, lm, unrecorded, data):
    metadata = {"data": unrecorded} if data == "unrecorded" else {"own_history": True}
    found = evaluate(lm, TASK, limit=5, metadata=metadata, max_gen_toks=6)
    samples = {sample["doc"]["id"]: sample for sample in found["samples"][TASK]}
    assert len(samples) == 5 and found["configs"][TASK]["metadata"]["earlier_answers_written"] == 3
    for id, sample in samples.items():
        key, turn = id.rsplit("/", 1)
        answers = [text for role, text in TURN.findall(sample["arguments"][0][0]) if role == "assistant"]
        judged = [samples[f"{key}/{earlier}"]["resps"][0][0] for earlier in range(1, int(turn))]
        assert [text.strip() for text in answers] == [text.strip() for text in judged]
        assert "recorded" not in sample["doc"]["prompt"]


def test_demonstrations_stand_before_the_dialogue(evaluate, lm, unrecorded):
    metadata = {"data": unrecorded, "pool": "sample"}
    sample = evaluate(lm, "multi_if_icl_fewshot", limit=3, metadata=metadata)["samples"][
        "multi_if_icl_fewshot"
    ][2]
    shown = TURN.findall(sample["arguments"][0][0])
    assert len(shown) == 4 * 2 + 5
    train = {one.question: one.completion for one in open_source("ifeval", data="sample").train()}
    assert all(train[shown[place][1]] == shown[place + 1][1] for place in range(0, 8, 2))


def test_plain_text_has_no_own_history(evaluate, lm, unrecorded):
    with pytest.raises(UserError, match=r"earlier answers of 1 conversations.*--apply_chat_template"):
        evaluate(lm, TASK, limit=2, metadata={"data": unrecorded}, chat=False)


def test_processes_that_look_for_a_batch_size_together_would_wait_for_ever(make_lm, unrecorded):
    metadata = {"data": unrecorded}
    manager = TaskManager(include_path=str(TASK_DIR), include_defaults=False, metadata=metadata)
    task = manager.load([TASK])["tasks"][TASK]
    lm = make_lm("chatml")
    lm.batch_size_per_gpu = "auto"
    with pytest.raises(UserError, match="give --batch_size a number"):
        task.build_all_requests(
            apply_chat_template=True, chat_template=lm.apply_chat_template, rank=1, world_size=2
        )


def test_recorded_answers_in_plain_text(prompts, lm):
    row = open_source("multi_if", data="sample").raw_rows("evaluation")[0]
    first, second = prompts(lm, TASK, limit=2, chat=False)
    assert second.startswith(f"{first} {row['turn_1_response']}\n\n")


def test_rounds():
    asked = []

    def ask(conversations):
        asked.append(sorted(conversations))
        return [f"{turns[-1]['content']}!" for turns in conversations.values()]

    user = [{"role": "user", "content": text} for text in "abcx"]
    gap = {"role": "assistant", "content": None}
    a, b, c, x = user
    filled = fill({"1": (a, gap, b), "2": (a, gap, b, gap, c), "3": (a, gap, x), "4": (a,)}, ask)
    assert asked == [["1"], ["2"]], "what is said before in the same words is answered once"
    assert [turn["content"] for turn in filled["2"]] == ["a", "a!", "b", "b!", "c"]
    assert [turn["content"] for turn in filled["3"]] == ["a", "a!", "x"] and filled["4"] == (a,)


def test_what_the_model_is_to_write():
    user, said, gap = ({"role": role, "content": text} for role, text in ROLES)
    called = {"role": "assistant", "content": "Wait.", "tool_calls": [{}]}
    episodes = [
        Episode("s", str(n), turns, "q") for n, turns in enumerate([(user,), (user, called, said, user)])
    ]
    assert unanswered(episodes, own=False) == {}
    assert unanswered(episodes, own=True) == {"1": (user, called, gap, user)}
    with pytest.raises(UserError, match="own_history goes with the view 'student' alone"):
        TaskOptions(own_history=True, view="teacher")


def test_an_open_turn_is_no_text_of_a_prompt(unrecorded):
    asked = open_source("multi_if", data=unrecorded).evaluation()[1]
    with pytest.raises(UserError, match="no answer to an earlier turn is recorded"):
        build_messages(asked)
    assert BENCHMARKS["multi_if"].document(asked)["prompt"] == asked.question
