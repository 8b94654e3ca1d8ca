"""Prompts that begin alike: answers are those of lm-eval's own model, and shared tokens are read once."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from peft import LoraConfig, get_peft_model
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from distill.evaluation.hf_engine import MeasuredHFLM
from distill.evaluation.shared_prompt import MIN_SHARED, answers_alike, shared_tokens
from distill.evaluation.sharing_hflm import SharingHFLM

from .conftest import make_tokenizer

TOKENIZER = make_tokenizer()
SHAPE = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 2048,
    "initializer_range": 0.4,
    "eos_token_id": [TOKENIZER.eos_token_id, *range(20, 600, 40)],  # answers end at different places
    "pad_token_id": TOKENIZER.pad_token_id,
}
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE)),
    "eager": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, attn_implementation="eager")),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(TOKENIZER), n_embd=32, n_layer=2, n_head=4, n_positions=2048, initializer_range=0.4
        )
    ),
    "sliding": lambda: MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=16)),
    "dynamic rope": lambda: LlamaForCausalLM(
        LlamaConfig(**SHAPE, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
    ),
}
SHARING = ("llama", "qwen3", "eager", "gpt2")


def build(kind: str) -> PreTrainedModel:
    torch.manual_seed(3)
    return MODELS[kind]().eval()


def with_adapter(model: PreTrainedModel) -> PreTrainedModel:
    torch.manual_seed(5)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    return get_peft_model(model, config).eval()


def prompts(task: str, count: int, seed: int = 0) -> list[str]:
    """Four demonstrations of the task, then a question of its own length; one in four is asked twice."""
    draw = random.Random(seed)
    shown = [
        {"role": role, "content": f"{task} {role} {' '.join(str(draw.randrange(99)) for _ in range(4))}"}
        for _ in range(4)
        for role in ("user", "assistant")
    ]
    asked = [" ".join(str(draw.randrange(999)) for _ in range(draw.randrange(1, 15))) for _ in range(count)]
    asked[:: max(4, count // 4)] = [asked[1]] * len(asked[:: max(4, count // 4)])
    return [
        TOKENIZER.apply_chat_template(
            [*shown, {"role": "user", "content": one}], tokenize=False, add_generation_prompt=True
        )
        for one in asked
    ]


def generate_requests(texts: list[str], task: str = "t", **kwargs: object) -> list[Instance]:
    settings = {"until": [], "max_gen_toks": 12, "do_sample": False} | kwargs
    return [
        Instance("generate_until", {"id": at}, (text, dict(settings)), at, (task, at, 1))
        for at, text in enumerate(texts)
    ]


class Counted:
    """How many tokens a model has run over."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.tokens = 0
        model.get_input_embeddings().register_forward_hook(self._count)

    def _count(self, _: object, inputs: tuple[torch.Tensor], __: object) -> None:
        self.tokens += inputs[0].numel()

    def of(self, call: object) -> tuple[list, int]:
        begun = self.tokens
        return call(), self.tokens - begun


@pytest.fixture(params=[1, 5, 64])
def batch_size(request: pytest.FixtureRequest) -> Iterator[int]:
    yield request.param


def both(model: PreTrainedModel, batch_size: int = 5) -> tuple[HFLM, SharingHFLM]:
    common = {"tokenizer": TOKENIZER, "batch_size": batch_size, "device": "cpu"}
    return HFLM(model, **common), SharingHFLM(model, **common)


@pytest.mark.parametrize("kind", MODELS)
def test_answers_are_those_of_lm_eval(kind, batch_size):
    model = build(kind)
    counted = Counted(model)
    theirs, ours = both(model, batch_size)
    requests = generate_requests(prompts("sums", 14))
    expected, their_tokens = counted.of(lambda: theirs.generate_until(requests, True))
    found, our_tokens = counted.of(lambda: ours.generate_until(requests, True))
    assert found == expected
    assert len(set(expected)) > 3 and len({len(one) for one in expected}) > 3
    assert our_tokens < their_tokens / 2 if kind in SHARING else our_tokens == their_tokens


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_adapters_that_come_and_go_between_calls(kind):
    model = with_adapter(build(kind))
    theirs, ours = both(model)
    requests = generate_requests(prompts("sums", 9))
    on = theirs.generate_until(requests, True)
    with model.disable_adapter():
        off = theirs.generate_until(requests, True)
    assert on != off
    assert ours.generate_until(requests, True) == on
    with model.disable_adapter():
        assert ours.generate_until(requests, True) == off
    assert ours.generate_until(requests, True) == on


def test_stop_strings_and_two_tasks_in_one_call():
    model = build("llama")
    counted = Counted(model)
    theirs, ours = both(model)
    plain = theirs.generate_until(generate_requests(prompts("sums", 8)), True)
    stop = [next(one[3] for one in plain if len(one) > 6)]
    requests = [
        *generate_requests(prompts("sums", 8), "sums", until=stop),
        *generate_requests(prompts("names", 8, seed=1), "names"),
    ]
    random.Random(0).shuffle(requests)
    expected, their_tokens = counted.of(lambda: theirs.generate_until(requests, True))
    found, our_tokens = counted.of(lambda: ours.generate_until(requests, True))
    assert found == expected
    assert our_tokens < their_tokens / 2
    assert theirs.generate_until(requests[:8], True) == ours.generate_until(requests[:8], True)


@pytest.mark.parametrize(
    "kwargs", [{"num_beams": 2}, {"no_repeat_ngram_size": 2}, {"repetition_penalty": 1.3}]
)
def test_other_ways_of_decoding_are_left_to_lm_eval(kwargs):
    theirs, ours = both(build("llama"))
    requests = generate_requests(prompts("sums", 6), **kwargs)
    assert ours.generate_until(requests, True) == theirs.generate_until(requests, True)


def test_prompts_that_lm_eval_cuts_from_the_left():
    model = build("llama")
    common = {"tokenizer": TOKENIZER, "batch_size": 4, "device": "cpu", "max_length": 200}
    requests = generate_requests(prompts("sums", 8))
    assert any(len(TOKENIZER(one.args[0]).input_ids) > 188 for one in requests)
    expected = HFLM(model, **common).generate_until(requests, True)
    assert SharingHFLM(model, **common).generate_until(requests, True) == expected


def test_the_model_is_left_as_it_was_when_generation_fails():
    model = build("llama")
    _, ours = both(model)
    with pytest.raises(ValueError):
        ours.generate_until(generate_requests(prompts("sums", 4), do_sample=True, temperature=-1.0), True)
    assert model.config._attn_implementation == "sdpa"
    assert ours._shared is None and not ours._ids


@pytest.mark.parametrize("kind", ["llama", "eager", "sliding"])
@pytest.mark.parametrize("logits_cache", [True, False])
def test_log_likelihoods_are_those_of_lm_eval(kind, logits_cache):
    model = build(kind)
    counted = Counted(model)
    common = {"tokenizer": TOKENIZER, "batch_size": 5, "device": "cpu", "logits_cache": logits_cache}
    theirs, ours = HFLM(model, **common), SharingHFLM(model, **common)
    requests = [
        Instance("loglikelihood", {"id": at}, (text, choice), at, (task, at, 1))
        for task in ("sums", "names")
        for at, text in enumerate(prompts(task, 6))
        for choice in ("7", " 12 and more", " none")
    ]
    expected, their_tokens = counted.of(lambda: theirs.loglikelihood(requests, True))
    found, our_tokens = counted.of(lambda: ours.loglikelihood(requests, True))
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
    assert [one for one, _ in found] == pytest.approx([one for one, _ in expected], abs=2e-4)
    assert our_tokens < their_tokens / 2 if kind != "sliding" else our_tokens == their_tokens


def test_each_reply_keeps_its_own_length(tmp_path: Path):
    model = build("llama")
    lm = MeasuredHFLM(model, tokenizer=TOKENIZER, batch_size=5, device="cpu")
    requests = generate_requests(prompts("sums", 14))
    lm.generate_until(requests, True)
    shared = dict(lm.recorder.replies)
    alone = MeasuredHFLM(model, tokenizer=TOKENIZER, batch_size=1, device="cpu", share_prompts=False)
    alone.generate_until(requests, True)
    assert shared == alone.recorder.replies
    assert len(set(shared.values())) > 2


def test_the_trial_sees_what_the_configuration_would_not_tell():
    with torch.no_grad():
        assert answers_alike(build("llama"), range(50, 90))
        assert not answers_alike(build("sliding"), range(50, 90))


def test_shared_tokens_leave_one_of_every_prompt():
    long = list(range(100))
    assert shared_tokens([long, long]) == long[:99]
    assert shared_tokens([long, long[:60]]) == long[:59]
    assert shared_tokens([[*long[:50], 1], [*long[:50], 2], long]) == long[:50]
    assert shared_tokens([long[:MIN_SHARED], [*long[: MIN_SHARED - 1], 7]]) == []
    assert shared_tokens([long]) == [] and shared_tokens([]) == []
