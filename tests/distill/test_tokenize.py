import pytest
from lm_eval.models.huggingface import HFLM

from distill.encoding.encode import encode_answer, encode_prompt, render_answer, render_prompt
from lm_eval_tasks.datasets import load_train
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompts import build_messages

END_OF_TURN = {
    "chatml": "<|im_end|>",
    "qwen3": "<|im_end|>",
    "llama3": "<|eot_id|>",
    "gemma": "<end_of_turn>",
}
EXAMPLES = load_train("gsm8k", "sample")[:4]
MESSAGES = build_messages(EXAMPLES[0], EXAMPLES[1:3])
COMPLETION = EXAMPLES[0].completion


@pytest.mark.parametrize("template", [*END_OF_TURN, None])
def test_prompt_ids_are_those_the_harness_feeds(template, make_tokenizer, make_model):
    tokenizer = make_tokenizer(template)
    lm = HFLM(pretrained=make_model(), tokenizer=tokenizer, enable_thinking=False, device="cpu")
    text = render_prompt(tokenizer, MESSAGES) if template is None else lm.apply_chat_template(MESSAGES)
    fed, _ = lm.tok_batch_encode([text])
    assert encode_prompt(tokenizer, MESSAGES) == fed[0].tolist()


@pytest.mark.parametrize("template", END_OF_TURN)
def test_answer_begins_behind_the_generation_prompt_and_ends_with_the_turn(template, make_tokenizer):
    tokenizer = make_tokenizer(template)
    answer = encode_answer(tokenizer, MESSAGES, COMPLETION)
    end_of_turn = tokenizer.convert_tokens_to_ids(END_OF_TURN[template])
    assert answer[-1] == end_of_turn
    assert answer.count(end_of_turn) == 1
    assert tokenizer.decode(answer[:-1]) == COMPLETION
    whole = tokenizer.apply_chat_template(
        [*MESSAGES, {"role": "assistant", "content": COMPLETION}], tokenize=False, enable_thinking=False
    )
    assert whole.startswith(tokenizer.decode(encode_prompt(tokenizer, MESSAGES) + answer))


def test_thinking_is_truly_passed_to_the_template(make_tokenizer):
    tokenizer = make_tokenizer("qwen3")
    off = render_prompt(tokenizer, MESSAGES, enable_thinking=False)
    on = render_prompt(tokenizer, MESSAGES, enable_thinking=True)
    assert off == on + "<think>\n\n</think>\n\n"
    assert render_answer(tokenizer, MESSAGES, COMPLETION) == f"{COMPLETION}<|im_end|>"


def test_without_a_template_the_answer_follows_a_space_and_ends_with_eos(make_tokenizer):
    tokenizer = make_tokenizer(None)
    assert render_prompt(tokenizer, MESSAGES).endswith("Answer:")
    assert render_answer(tokenizer, MESSAGES, COMPLETION) == f" {COMPLETION}<|im_end|>"


def test_a_template_that_rewrites_the_prompt_is_refused(make_tokenizer):
    chatml = make_tokenizer("chatml").chat_template
    tokenizer = make_tokenizer(chatml.replace("{% if add", "{{ messages | length }}{% if add"))
    with pytest.raises(UserError, match="no longer begins with it"):
        encode_answer(tokenizer, MESSAGES, COMPLETION)


def test_a_template_that_alters_answers_is_refused(make_tokenizer):
    chatml = make_tokenizer("chatml").chat_template
    tokenizer = make_tokenizer(chatml.replace("message['content']", "message['content'] | upper"))
    with pytest.raises(UserError, match="alters answers"):
        encode_answer(tokenizer, MESSAGES, COMPLETION)


def test_a_template_without_end_of_turn_gets_the_eos_token(make_tokenizer):
    tokenizer = make_tokenizer("{% for message in messages %}{{ message['content'] }}\n{% endfor %}")
    assert render_answer(tokenizer, MESSAGES, COMPLETION) == f"{COMPLETION}<|im_end|>"
