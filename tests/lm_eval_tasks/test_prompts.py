from pathlib import Path

import pytest
import trl
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.episodes import prompt_text
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.plain_text import to_plain_text
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.sources import open_source

parse_gsm8k = BENCHMARKS["gsm8k"].parse
ASKED = parse_gsm8k({"question": "How many legs have 3 cats?", "answer": "3*4=12\n#### 12"}, "0", "")
SHOWN = parse_gsm8k({"question": "How many legs have 2 cats?", "answer": "2*4=8\n#### 8"}, "1", "")
FORMAT = (
    "\n\nSolve the problem step by step. "
    "End with the final answer on its own last line, in the form: #### <number>"
)


def test_demonstrations_are_turns():
    assert build_messages(ASKED, [SHOWN], system="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": SHOWN.question + FORMAT},
        {"role": "assistant", "content": "2*4=8\n#### 8"},
        {"role": "user", "content": ASKED.question + FORMAT},
    ]


def test_plain_text_ends_where_the_answer_begins():
    text = to_plain_text(build_messages(ASKED, [SHOWN]))
    assert text == (
        f"Question: {SHOWN.question}{FORMAT}\n\nAnswer: 2*4=8\n#### 8\n\n"
        f"Question: {ASKED.question}{FORMAT}\n\nAnswer:"
    )


def test_csqa_lists_its_options():
    choices = {"label": list("ABCDE"), "text": ["sea", "mat", "sky", "sun", "pan"]}
    row = {"question": "Where?", "choices": choices, "answerKey": "B"}
    asked = BENCHMARKS["csqa"].parse(row, "0", "")
    assert prompt_text(asked.prompt).startswith("Where?\nA. sea\nB. mat\nC. sky\nD. sun\nE. pan\n\nReply")


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_prompt_but_ifevals_states_its_format(benchmark):
    marker = {"gsm8k": "####", "csqa": "Answer:", "math": "\\boxed{}"}.get(benchmark, "")
    for example in open_source(benchmark, data="sample").evaluation():
        prompt = prompt_text(example.prompt)
        assert marker in prompt and prompt.startswith(example.question.split("\n\n")[0])
    assert benchmark not in ("ifeval", "ifbench") or prompt == example.question


def test_a_row_without_an_answer_is_no_demonstration():
    unanswered = open_source("ifeval", data="sample").evaluation()[0]
    with pytest.raises(UserError, match="no gold answer"):
        build_messages(open_source("ifeval", data="sample").train()[0], [unanswered])


@pytest.mark.parametrize(("enable_thinking", "tail"), [(False, "<think>\n\n</think>\n\n"), (True, "")])
def test_braces_in_a_question_survive_and_qwen3_reads_turns(enable_thinking, tail):
    template = Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja"
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    asked = BENCHMARKS["math"].parse({"problem": "What is {x} in $\\{1\\}$?", "answer": "1"}, "0", "")
    rendered = environment.from_string(template.read_text()).render(
        messages=build_messages(asked), add_generation_prompt=True, enable_thinking=enable_thinking
    )
    assert rendered == (
        "<|im_start|>user\nWhat is {x} in $\\{1\\}$?\n\nSolve the problem step by step. "
        f"Put the final answer in \\boxed{{}}.<|im_end|>\n<|im_start|>assistant\n{tail}"
    )
