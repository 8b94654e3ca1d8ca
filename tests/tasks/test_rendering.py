"""The exact prompts, through the harness's own path, and their equality with what the teacher reads."""

import logging
from dataclasses import replace

import pytest

from distill.encoding.token_rows import Budgets, build_rows
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.sources import open_source

ASK = (
    "Solve the problem step by step. "
    "End with the final answer on its own last line, in the form: #### <number>"
)
DEMO = f"One and one?\n\n{ASK}"
SOLUTION = "1 + 1 = 2\n#### 2"
QUESTION = f"Ann has 2 pens and buys 3. How many?\n\n{ASK}"

CHATML = (
    f"<|im_start|>user\n{DEMO}<|im_end|>\n<|im_start|>assistant\n{SOLUTION}<|im_end|>\n"
    f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
)
SMOLLM2_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, "
    "trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SMOLLM2 = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    + CHATML
)
LLAMA = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
    f"<|start_header_id|>user<|end_header_id|>\n\n{DEMO}<|eot_id|>"
    f"<|start_header_id|>assistant<|end_header_id|>\n\n{SOLUTION}<|eot_id|>"
    f"<|start_header_id|>user<|end_header_id|>\n\n{QUESTION}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
GEMMA = (
    f"<bos><start_of_turn>user\n{DEMO}<end_of_turn>\n<start_of_turn>model\n{SOLUTION}<end_of_turn>\n"
    f"<start_of_turn>user\n{QUESTION}<end_of_turn>\n<start_of_turn>model\n"
)
PLAIN = f"Question: {DEMO}\n\nAnswer: {SOLUTION}\n\nQuestion: {QUESTION}\n\nAnswer:"
NO_THOUGHT = "<think>\n\n</think>\n\n"

# The seed that shows "One and one?" first.
SEED = 1


@pytest.fixture
def one_shot(prompts, gsm8k_folder):
    def run(lm, metadata=None, **more):
        shown = {"data": str(gsm8k_folder), "demonstration_seed": SEED} | (metadata or {})
        (prompt,) = prompts(lm, "gsm8k_icl_fewshot", num_fewshot=1, metadata=shown, **more)
        return prompt

    return run


@pytest.mark.parametrize(
    ("template", "arguments", "expected"),
    [
        ("chatml", {}, CHATML),
        (SMOLLM2_TEMPLATE, {}, SMOLLM2),
        ("qwen3.jinja", {}, CHATML + NO_THOUGHT),
        ("llama3_2.jinja", {"date_string": "26 Jul 2024"}, LLAMA),
        ("gemma", {}, GEMMA),
    ],
    ids=["chatml", "smollm2", "qwen3", "llama3.2", "gemma"],
)
def test_prompts_of_chat_models(one_shot, make_lm, template, arguments, expected):
    lm = make_lm("llama3" if template.startswith("llama3") else template, chat_template_args=arguments)
    if template == "llama3_2.jinja":
        lm.tokenizer.chat_template = make_lm(template).tokenizer.chat_template
    assert one_shot(lm) == expected


def test_prompt_of_a_base_model(one_shot, make_lm):
    assert one_shot(make_lm(None), chat=False) == PLAIN


def test_a_base_model_asked_in_chat_names_the_remedy(one_shot, make_lm):
    with pytest.raises(UserError, match="no chat template; leave out --apply_chat_template"):
        one_shot(make_lm(None))


def test_the_system_instruction_replaces_the_templates_own(one_shot, make_lm):
    prompt = one_shot(make_lm(SMOLLM2_TEMPLATE), system_instruction="Be brief.")
    assert prompt == "<|im_start|>system\nBe brief.<|im_end|>\n" + CHATML


def test_the_system_instruction_comes_first(one_shot, make_lm):
    prompt = one_shot(make_lm("chatml"), system_instruction="Be brief.")
    assert prompt == "<|im_start|>system\nBe brief.<|im_end|>\n" + CHATML


def test_a_template_without_system_role_refuses_a_system_instruction(one_shot, make_lm):
    with pytest.raises(UserError, match="--system_instruction"):
        one_shot(make_lm("gemma"), system_instruction="Be brief.")


def test_demonstrations_in_one_user_turn_are_refused(one_shot, make_lm):
    with pytest.raises(UserError, match="--fewshot_as_multiturn"):
        one_shot(make_lm("chatml"), fewshot_as_multiturn=False)


class TestThinking:
    def test_is_off_in_a_plain_run(self, one_shot, make_lm):
        lm = make_lm("qwen3.jinja")
        assert one_shot(lm).endswith("<|im_start|>assistant\n" + NO_THOUGHT)
        assert lm.chat_template_args == {}, "other tasks of the run keep the model's own rendering"

    def test_can_be_on_by_metadata(self, one_shot, make_lm):
        assert one_shot(make_lm("qwen3.jinja"), {"enable_thinking": True}) == CHATML

    def test_can_be_on_by_model_args(self, one_shot, make_lm):
        # The command line merges --model_args into the metadata.
        metadata = {"chat_template_args": {"enable_thinking": True}}
        lm = make_lm("qwen3.jinja", chat_template_args={"enable_thinking": True})
        assert one_shot(lm, metadata) == CHATML

    def test_is_never_on_where_options_are_compared(self, prompts, make_lm):
        prompt, *_ = prompts(make_lm("qwen3.jinja"), "csqa_icl_mc", metadata={"enable_thinking": True})
        assert prompt.endswith(NO_THOUGHT)

    def test_a_template_that_always_opens_it_is_reported(self, evaluate, make_lm, make_tokenizer, caplog):
        always = make_tokenizer("chatml").chat_template.replace("assistant\n{%", "assistant\n<think>\n{%")
        with caplog.at_level(logging.WARNING):
            results = evaluate(make_lm(always), "gsm8k_icl_0shot")
        assert "it cannot be off" in caplog.text
        # Four tokens do not close it: the answers are empty and say so.
        found = results["results"]["gsm8k_icl_0shot"]
        assert found["unclosed_think,none"] == found["response_empty,none"] == 1.0


@pytest.mark.parametrize("template", ["chatml", "qwen3.jinja", "llama3", "gemma", None])
@pytest.mark.parametrize("benchmark", ["gsm8k", "csqa", "ifeval", "math"])
def test_the_teacher_reads_the_evaluated_prompt_token_for_token(evaluate, make_lm, template, benchmark):
    lm, task, k = make_lm(template), f"{benchmark}_icl_fewshot", 5
    samples = evaluate(lm, task, num_fewshot=k, chat=template is not None)["samples"][task]
    examples = open_source(benchmark, data="sample").evaluation()
    pool = open_source(benchmark, data="sample").pool()
    # Rows to train on need an answer, which IFEval's evaluated ones lack.
    rows, _ = build_rows(
        [replace(example, completion="An answer.") for example in examples[: len(samples)]],
        DemonstrationPicker(pool, k).pick,
        build_messages,
        lm.tokenizer,
        budgets=Budgets(student=None, teacher=None),
    )
    evaluated = [lm.tok_encode(sample["arguments"][0][0]) for sample in samples]
    assert [row["teacher_prompt_ids"] for row in rows] == evaluated
