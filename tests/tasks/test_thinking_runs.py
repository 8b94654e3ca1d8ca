"""Reasoning in a run of the harness: opened by the template, stripped by lm-eval, without end, other tags."""

import logging

import pytest
from lm_eval.models.huggingface import HFLM
from tokenizers import AddedToken

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.options import TaskOptions
from lm_eval_tasks.harness.task import IclTask
from lm_eval_tasks.scoring.thinking_tags import CHANNELS, KNOWN_TAGS, dropped_tags, tags_of

OPENING, CLOSING = "<reason>", "</reason>"
TAGS = {"think_tags": [OPENING, CLOSING], "enable_thinking": True}
THOUGHT = "2 and 3 are 5. "
LIMIT = 64


class ScriptedHFLM(HFLM):
    """lm-eval's transformers model, whose answers are written here."""

    script = ()

    def _model_generate(self, context, max_length, stop, **kwargs):
        texts = [self.script[i % len(self.script)] for i in range(len(context))]
        rows = [self.tokenizer(text, add_special_tokens=False).input_ids[:LIMIT] for text in texts]
        width = max(map(len, rows))
        padded = [row + [self.tokenizer.eos_token_id] * (width - len(row)) for row in rows]
        return self.tokenizer.pad(
            {"input_ids": [ids.tolist() + row for ids, row in zip(context, padded, strict=True)]},
            return_tensors="pt",
        ).input_ids


@pytest.fixture
def scripted(make_model, make_tokenizer):
    def make(opens, *script, **arguments):
        tokenizer = make_tokenizer("chatml")
        if opens:
            tokenizer.chat_template = tokenizer.chat_template.replace(
                "assistant\n{%", f"assistant\n{OPENING}\n{{%"
            )
        lm = ScriptedHFLM(
            pretrained=make_model("llama"), tokenizer=tokenizer, device="cpu", batch_size=4, **arguments
        )
        lm.script = script
        return lm

    return make


@pytest.fixture
def found(evaluate, gsm8k_folder):
    def run(lm, **metadata):
        results = evaluate(
            lm, "gsm8k_icl_0shot", metadata={"data": str(gsm8k_folder)} | TAGS | metadata, max_gen_toks=LIMIT
        )
        return results["results"]["gsm8k_icl_0shot"]

    return run


@pytest.mark.parametrize("stripped", [False, True], ids=["ours", "think_end_token"])
@pytest.mark.parametrize("opens", [False, True], ids=["the model opens", "the template opens"])
class TestTheSameScore:
    def lm(self, scripted, opens, stripped, after):
        begin = "" if opens else OPENING
        return scripted(
            opens, f"{begin}{THOUGHT}{after}", **({"think_end_token": CLOSING} if stripped else {})
        )

    def test_for_thoughts_that_end(self, scripted, found, opens, stripped):
        results = found(self.lm(scripted, opens, stripped, f"#### 4{CLOSING}\n#### 5"))
        assert (results["strict_acc,none"], results["unclosed_think,none"]) == (1.0, 0.0)

    def test_and_for_those_that_do_not(self, scripted, found, opens, stripped, caplog):
        with caplog.at_level(logging.WARNING):
            results = found(self.lm(scripted, opens, stripped, "#### 5 " * LIMIT))
        assert (results["strict_acc,none"], results["flexible_acc,none"]) == (0.0, 0.0)
        assert (results["unclosed_think,none"], results["response_empty,none"]) == (1.0, 1.0)
        assert "unclosed_think is 100.0% (1 of 1 answers)" in caplog.text


@pytest.mark.parametrize("stripped", [False, True], ids=["ours", "think_end_token"])
def test_an_answer_that_the_engine_cut_behind_a_thought_is_one(scripted, found, stripped, monkeypatch):
    monkeypatch.setattr(IclTask, "engine_cut", staticmethod(lambda prompt: True))
    more = {"think_end_token": CLOSING} if stripped else {}
    results = found(scripted(True, f"{THOUGHT}{CLOSING}\n#### 5", **more))
    assert (results["strict_acc,none"], results["unclosed_think,none"]) == (1.0, 0.0)


def test_one_thought_without_end_is_told_where_the_harness_strips(scripted, evaluate, caplog):
    lm = scripted(True, *["#### 5"] * 30, "#### 5 " * LIMIT, think_end_token=CLOSING)
    lm.batch_size_per_gpu = 31
    with caplog.at_level(logging.WARNING):
        evaluate(lm, "gsm8k_icl_0shot", metadata=TAGS, max_gen_toks=LIMIT, limit=31)
    assert "unclosed_think is 3.2% (1 of 31 answers)" in caplog.text


class TestTags:
    def test_told_by_the_tokenizer_or_its_template(self, make_tokenizer):
        tokenizer = make_tokenizer("chatml")
        assert tags_of(tokenizer) == (("<think>", "</think>"),)
        assert dropped_tags(tokenizer, tags_of(tokenizer)) == ["<think>", "</think>"]
        tokenizer.chat_template += "<seed:think></seed:think>"
        assert ("<seed:think>", "</seed:think>") in tags_of(tokenizer)

    @pytest.mark.parametrize(
        ("template", "tags"),
        [
            ("{{ '[THINK]' }}...[/THINK]", (("[THINK]", "[/THINK]"),)),
            ("<|channel|>analysis<|message|>", CHANNELS),
            ("<my_reasoning>x</my_reasoning>", (("<my_reasoning>", "</my_reasoning>"),)),
            ({"default": "<think></think>", "tools": ""}, (("<think>", "</think>"),)),
            ("no word of it", KNOWN_TAGS),
            ("only </think>", KNOWN_TAGS),
            (None, KNOWN_TAGS),
        ],
    )
    def test_of_a_template(self, template, tags):
        class Tokenizer:
            chat_template = template
            added_tokens_decoder = {0: AddedToken("<s>", special=True)}  # noqa: RUF012

        assert tags_of(Tokenizer()) == tags
        assert dropped_tags(Tokenizer(), tags) == []

    def test_nobody_tells(self):
        assert tags_of(None) == KNOWN_TAGS

    def test_by_metadata(self):
        pair = (OPENING, CLOSING)
        assert TaskOptions.from_metadata({"think_tags": list(pair)}).think_tags == (pair,)
        assert TaskOptions.from_metadata({"think_tags": [list(pair), ["[", "]"]]}).think_tags == (
            pair,
            ("[", "]"),
        )

    @pytest.mark.parametrize(
        "value", ["<a>", [], ["<a>"], ["<a>", "<a>"], ["<a>", ""], [["<a>", 3]], {"a": "b"}]
    )
    def test_mistakes_are_named(self, value):
        with pytest.raises(UserError, match=r"metadata: think_tags is .*; give an opening and a closing tag"):
            TaskOptions.from_metadata({"think_tags": value})
