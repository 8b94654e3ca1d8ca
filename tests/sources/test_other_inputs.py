"""A task learnt from a user's inputs: each stands where the task's question would."""

import json
import re

import pytest

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.sources import open_source

from .conftest import CHOOSE, GENERATE, SHAPES


@pytest.fixture
def write(tmp_path):
    """`write(*rows)`: a file of inputs; a row that is text is a prompt."""

    def run(*rows):
        path = tmp_path / "i.jsonl"
        lines = [{"prompt": row} if isinstance(row, str) else row for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in lines), encoding="utf-8")
        return str(path)

    return run


@pytest.fixture
def learn(write_task, write):
    """`learn(config, *rows, chat=)`: a task of lm-eval, learnt from these inputs."""

    def run(config, *rows, chat=True, **options):
        return open_source(str(write_task("t", config)), inputs=write(*rows), chat=chat, **options)

    return run


PLAIN_SHAPES = [name for name in SHAPES if name not in ("multiple_input", "custom_dataset")]


class TestFrame:
    """An input that says what a row of the task says is asked, token for token, as that row."""

    @pytest.mark.parametrize("chat", [True, False])
    @pytest.mark.parametrize("name", PLAIN_SHAPES)
    def test_is_the_tasks_own(self, write_task, write, name, chat, ids):
        path = str(write_task("t", SHAPES[name]))
        own = open_source(path, chat=chat)
        # A description may hold a row's own words: both are asked behind that of the same row.
        row = own.evaluation()[0]
        asked = str(own.task.doc_to_text(own._doc(row)))
        source = open_source(path, chat=chat, inputs=write("Another " + asked))
        (learned,) = source.train()
        for k, system in ((0, None), (2, "Be brief.")):
            expected = own.show(row, own.picker(k).pick(row), system=system)
            seen = source.show(learned, source.picker(k).pick(learned), system=system)
            if chat:
                assert [turn["role"] for turn in seen] == [turn["role"] for turn in expected]
                texts = [turn["content"].replace("Another " + asked, asked) for turn in seen]
                assert texts == [turn["content"] for turn in expected]
            else:
                assert seen == "Another ".join(_around(expected, asked))
            assert ids(seen) != ids(expected)

    def test_no_question_of_its_own(self, learn):
        with pytest.raises(UserError, match="has no question as a text of its own in its prompts"):
            learn(SHAPES["multiple_input"], "It", chat=False)


def _around(text, asked):
    before, _, after = text.rpartition(asked)
    return before, asked + after


class TestTeacher:
    @pytest.mark.parametrize("chat", [True, False])
    def test_reads_instruction_and_demonstrations(self, learn, chat):
        source = learn(GENERATE, "Q: mine\nA:", chat=chat)
        (row,) = source.train()
        context = Context(num_fewshot=2, system_instruction="Be brief.")
        picker = source.picker(2, "fixed", 42)
        (taught,) = context.apply(source, [row], picker.pick)
        first, second = picker.fixed
        if chat:
            assert [turn["content"] for turn in taught.taught] == [
                "Be brief.", first.question, first.completion, second.question, second.completion,
                "Q: mine\nA:",
            ]  # fmt: skip
            assert row.prompt == ({"role": "user", "content": "Q: mine\nA:"},)
        else:
            assert taught.taught.startswith("Be brief.")
            assert taught.taught.endswith("\n\nQ: mine\nA:")
            assert first.question + first.completion in taught.taught
            assert row.prompt == "Q: mine\nA:"

    def test_the_tasks_own_rows_stay(self, learn):
        source = learn(GENERATE, "Q: mine\nA:")
        row = source.evaluation()[0]
        assert source.show(row) == row.prompt
        assert source.pool()[0].id.startswith("t/train/")


class TestRows:
    def test_evaluated_ones_are_left_out(self, learn, caplog):
        source = learn(CHOOSE, "q: THING 40\na:", "Q: mine\nA:", "Q: thing 41\nA:", chat=False)
        assert [row.question for row in source.train()] == ["Q: mine\nA:"]
        assert source.left_out == {"evaluated": 2}
        assert "2 of 3 rows are evaluated and left out" in caplog.text

    def test_all_are_evaluated(self, learn):
        with pytest.raises(UserError, match=r"i.jsonl: every row is evaluated by lm_eval:t"):
            learn(GENERATE, "Q: thing 40\nA:")

    def test_a_benchmarks_question_in_either_form(self, write):
        gsm8k = open_source("gsm8k", data="sample")
        bare, whole = gsm8k.evaluation()[:2]
        inputs = write(bare.question, whole.prompt[-1]["content"], "How many?")
        source = open_source("gsm8k", data="sample", inputs=inputs)
        assert [row.question for row in source.train()] == ["How many?"]
        (row,) = source.train()
        shown = source.show(row, source.picker(2).pick(row), system="S")
        assert [turn["role"] for turn in shown] == ["system", *["user", "assistant"] * 2, "user"]
        assert shown[-1]["content"] == "How many?"

    def test_labels(self, learn):
        rows = [{"prompt": "Q: mine\nA:", "completion": "red"}, "Q: other\nA:"]
        for chat, completion in ((True, "red"), (False, " red")):
            one, two = learn(GENERATE, *rows, chat=chat).train()
            assert (one.completion, one.reference, two.completion) == (completion, {"target": "red"}, None)
        one, _ = learn({**GENERATE, "target_delimiter": " => "}, *rows, chat=False).train()
        assert one.completion == " => red"

    def test_ids_are_apart_from_the_tasks(self, learn):
        source = learn(GENERATE, "Q: mine\nA:", {"prompt": "Q: x\nA:", "id": "t/test/0"})
        assert [row.id for row in source.train()] == ["inputs/0", "inputs/t/test/0"]

    def test_a_conversation(self, learn):
        talk = [
            {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"},
            {"role": "user", "content": "Q: mine\nA:"},
        ]  # fmt: skip
        assert learn(GENERATE, {"prompt": talk}).train()[0].prompt == tuple(talk)
        with pytest.raises(UserError, match="row '0': a model without a chat template reads a text alone"):
            learn(GENERATE, {"prompt": talk}, chat=False)

    def test_a_system_turn_of_its_own(self, learn):
        with pytest.raises(UserError, match="row '0': an input of another task has no system turn"):
            learn(GENERATE, {"prompt": "Q: mine\nA:", "system": "Obey."})

    def test_the_record_names_the_file(self, learn):
        source = learn(GENERATE, "Q: mine\nA:")
        assert source.data.endswith("i.jsonl")
        assert source.name == "lm_eval:t" and [member.name for member in source.members] == ["lm_eval:t"]


def test_several_tasks_have_no_one_question(write_task, write, tmp_path):
    for name in ("one", "two"):
        write_task(name, GENERATE)
    (tmp_path / "both.yaml").write_text("group: both\ntask: [one, two]\n")
    with pytest.raises(UserError, match=re.escape("lm_eval:both is 2 tasks (lm_eval:one, lm_eval:two, ...)")):
        open_source(str(tmp_path / "both.yaml"), inputs=write("Q: mine\nA:"))


def test_a_task_without_training_rows(write_task, write):
    path = str(write_task("t", {**GENERATE, "training_split": None}))
    with pytest.raises(UserError, match="no training split"):
        open_source(path).train()
    assert len(open_source(path, inputs=write("Q: mine\nA:")).train()) == 1
