"""What a model without a chat template is asked, and how its answers are judged."""

import json
import logging

import pytest

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.harness.task import IclTask
from lm_eval_tasks.prompting.plain_text import plain_answer, to_plain_text
from lm_eval_tasks.scorefile.records import read_records
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.sources import open_source


def task(benchmark="gsm8k", output_type="generate_until", **config):
    """A task as its YAML file makes it, without a model."""
    return IclTask(
        {
            "task": f"{benchmark}_icl",
            "dataset_kwargs": {"benchmark": benchmark},
            "test_split": "test",
            "output_type": output_type,
            "doc_to_text": "prompt",
            "doc_to_target": "target",
            "metric_list": [],
            "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": 8},
            "metadata": {"data": "sample"},
        }
        | config
    )


def asked(task, k=0, **options):
    task.config.num_fewshot = k
    task.build_all_requests(limit=2, rank=0, world_size=1, **options)
    return task.instances[0]


@pytest.mark.parametrize(
    ("given", "until"), [("STOP", ["STOP"]), (["A", "B"], ["A", "B"]), (None, []), ("", [])]
)
def test_until_may_be_one_text(given, until):
    one = task()
    one.set_config("generation_kwargs", {"until": given}, update=True)
    assert asked(one).args[1]["until"] == [*until, "\n\nQuestion:"]


class TestCsqa:
    def test_the_answers_are_labelled_once(self):
        prompt = asked(task("csqa"), k=5).args[0]
        assert prompt.count("\n\nAnswer: ") == 5 and prompt.endswith("\n\nAnswer:")
        assert "Answer: Answer:" not in prompt

    @pytest.mark.parametrize("response", [" B", " B. bow\n", " (B)", " Answer: B", " B\n\nQuestion: x"])
    def test_an_answer_goes_on_from_the_prompt(self, response):
        doc = {"benchmark": "csqa", "id": "0", "target": "B", "choices": ["ax", "bow", "cup", "dog", "elk"]}
        plain = Circumstances(begun="Answer:")
        assert BENCHMARKS["csqa"].score(doc, response, plain)["strict_acc"] is True
        assert BENCHMARKS["csqa"].score(doc | {"target": "A"}, response, plain)["flexible_acc"] is False

    def test_so_does_a_logged_one(self):
        doc = {"target": "B", "choices": ["ax", "bow", "cup", "dog", "elk"]}
        sample = {"doc": doc, "resps": [[" B"]], "arguments": [["Question: x\n\nAnswer:", {}]]}
        judge = BENCHMARKS["csqa"].make_judge(None)
        assert judge.judge(read_records(sample)[0]).verdict["strict"] is True
        chat = sample | {"arguments": [["<|user|>Reply so. Answer:<|end|>", {}]]}
        assert judge.judge(read_records(chat)[0]).verdict["strict"] is False

    def test_letters_are_compared_behind_the_label(self):
        found = task(
            "csqa", "multiple_choice", doc_to_choice="answer_choices", doc_to_target="answer_index",
            generation_kwargs=None, metric_list=[{"metric": "acc"}], target_delimiter=" ",
        )  # fmt: skip
        asked(found)
        assert [one.args[1] for one in found.instances[:5]] == [" A", " B", " C", " D", " E"]


class TestIfeval:
    def test_the_prompt_is_as_it_stands(self):
        first = open_source("ifeval", data="sample").evaluation()[0]
        request = asked(task("ifeval"))
        assert request.args[0] == f"{first.question}\n\nAnswer:"
        assert request.args[1]["until"] == [], "an answer may ask a question"
        shown = asked(task("ifeval"), k=2).args[0]
        assert "Question: " not in shown and shown.count("\n\nAnswer:") >= 3


def test_only_the_label_itself_is_taken_off():
    assert [plain_answer(text) for text in ("Answer: E", "Answers: E", "An Answer: E", "Answer:E")] == [
        "E", "Answers: E", "An Answer: E", "E",
    ]  # fmt: skip
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "Answer: E"}]
    assert to_plain_text([*turns, turns[0]]) == "Question: x\n\nAnswer: E\n\nQuestion: x\n\nAnswer:"


class TestPromptsThatAreTooLong:
    @pytest.fixture
    def model(self, tmp_path, make_tokenizer):
        make_tokenizer(None).save_pretrained(tmp_path)
        (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 200}))
        return str(tmp_path)

    @pytest.mark.parametrize(("k", "cut"), [(0, 0), (8, 2)])
    def test_are_counted_and_told(self, model, k, cut, caplog):
        one = task(metadata={"data": "sample", "pretrained": model})
        with caplog.at_level(logging.WARNING):
            asked(one, k)
        assert one.config.metadata["prompts_cut"] == {"count": cut, "of": 2, "context": 200}
        assert (
            "gsm8k_icl: 2 of 2 prompts, with their answers, exceed the 200 tokens" in caplog.text
        ) is bool(cut)

    def test_the_arguments_of_the_model_come_first(self, model):
        one = task(metadata={"data": "sample", "pretrained": model, "max_length": 4000})
        asked(one, 8)
        assert one.config.metadata["prompts_cut"] == {"count": 0, "of": 2, "context": 4000}

    def test_room_for_the_answer_counts(self, model):
        one = task(metadata={"data": "sample", "pretrained": model})
        one.set_config("generation_kwargs", {"max_gen_toks": 190}, update=True)
        asked(one)
        assert one.config.metadata["prompts_cut"]["count"] == 2

    def test_a_model_tells_its_own(self, make_lm, evaluate):
        lm = make_lm("chatml", max_length=300)
        results = evaluate(lm, "gsm8k_icl_fewshot", limit=2)
        assert results["configs"]["gsm8k_icl_fewshot"]["metadata"]["prompts_cut"] == {
            "count": 2, "of": 2, "context": 300,
        }  # fmt: skip


def test_bad_rows_are_in_the_record(tmp_path):
    good = {"question": "Two and two?", "answer": "#### 4"}
    (tmp_path / "gsm8k").mkdir()
    text = "\n".join(map(json.dumps, [good, {"question": "x"}]))
    (tmp_path / "gsm8k" / "test.jsonl").write_text(text)
    found = task(metadata={"data": str(tmp_path)}).config.metadata["bad_rows"]
    assert found["count"] == 1
    assert found["first"][0].startswith(f"{tmp_path}/gsm8k/test.jsonl line 2: field 'answer'")
    assert "bad_rows" not in task().config.metadata
