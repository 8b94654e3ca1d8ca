"""Tiny models and tokenizers, made offline: real architectures, real tokenizers, TRL's chat templates."""

from importlib.resources import files

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from lm_eval_tasks.episodes import prompt_text
from lm_eval_tasks.sources import open_source

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<|begin_of_text|>", "<|eot_id|>",
    "<|start_header_id|>", "<|end_header_id|>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>",
]  # fmt: skip
TEMPLATES = {
    # name: (template, first token, end-of-sequence token, which is not the end of Gemma's turns)
    "chatml": (CHATML, None, "<|im_end|>"),
    "qwen3": ("qwen3.jinja", None, "<|im_end|>"),
    "llama3": ("llama3.jinja", "<|begin_of_text|>", "<|eot_id|>"),
    "gemma": ("gemma.jinja", "<bos>", "<eos>"),
}


def pytest_collection_modifyitems(items):
    """The longest tests first, so that two processes end at about the same time."""
    items.sort(key=lambda item: "slow" not in item.keywords)


def _train_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rows = open_source("gsm8k", data="sample").train()
    tokenizer.train_from_iterator([f"{prompt_text(row.prompt)}\n{row.completion}" for row in rows], trainer)
    return tokenizer


@pytest.fixture(scope="session")
def base_tokenizer():
    return _train_tokenizer()


@pytest.fixture(scope="session")
def make_tokenizer(base_tokenizer):
    """`make_tokenizer(template)`: a tokenizer with one of `TEMPLATES`, any other template text, or None."""

    def make(template="chatml"):
        text, bos, eos = TEMPLATES.get(template, (template, None, "<|im_end|>"))
        if text and text.endswith(".jinja"):
            text = (files("trl") / "chat_templates" / text).read_text(encoding="utf-8")
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=base_tokenizer, bos_token=bos, eos_token=eos, pad_token="<|endoftext|>"
        )
        tokenizer.chat_template = text
        return tokenizer

    return make


@pytest.fixture
def tokenizer(make_tokenizer):
    return make_tokenizer("chatml")


def tiny_config(kind, vocab_size, **changes):
    settings = {
        "vocab_size": vocab_size, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 4096,
        # Weights large enough that answers depend on what stands far before them.
        "initializer_range": 0.2, "tie_word_embeddings": True,
    }  # fmt: skip
    return {"llama": LlamaConfig, "qwen3": Qwen3Config}[kind](**settings | changes)


@pytest.fixture(scope="session")
def make_model(base_tokenizer):
    """`make_model(kind, **config)`: a random tiny model, the same weights each time."""

    def make(kind="llama", seed=0, **changes):
        torch.manual_seed(seed)
        model_class = {"llama": LlamaForCausalLM, "qwen3": Qwen3ForCausalLM}[kind]
        return model_class(tiny_config(kind, base_tokenizer.get_vocab_size(), **changes)).eval()

    return make


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory, make_model, make_tokenizer):
    """A saved tiny model with its tokenizer, as launchers take it."""
    path = tmp_path_factory.mktemp("tiny-llama")
    make_model("llama").save_pretrained(path)
    make_tokenizer("chatml").save_pretrained(path)
    return path
