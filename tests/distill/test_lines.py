"""Rows laid end to end against the same rows padded."""

import pytest
import torch
from transformers import LlamaForCausalLM

from distill.encoding.collator import DistillCollator
from distill.model import packed_attention as lines
from distill.model import rows_attention
from distill.model.forward import answer_states, packs_rows
from distill.model.output_head import check_head
from distill.training.config import DataArguments
from distill.training.data import load_training_data

SLIDING = {
    "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1,
    "layer_types": ["full_attention", "sliding_attention"],
}  # fmt: skip


@pytest.fixture(scope="module")
def batch(make_tokenizer):
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=0, eval_rows=0, max_train_rows=5)
    tokenizer = make_tokenizer("chatml")
    return DistillCollator.of(tokenizer)(load_training_data(args, tokenizer, max_length=None, seed=0).train)


@pytest.fixture(params=[("llama", {}), ("qwen3", {}), ("qwen3", SLIDING)], ids=["llama", "qwen3", "sliding"])
def model(request, make_model):
    kind, changes = request.param
    return make_model(kind, **changes)


def gradients(model, states):
    model.zero_grad()
    (states.square().sum() / 100).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_states_and_gradients_are_those_of_padded_rows(model, batch):
    head = check_head(model)
    padded = answer_states(model, head, batch).hidden
    expected = gradients(model, padded)
    assert packs_rows(model, head)
    laid_out = answer_states(model, head, batch, packed=True).hidden
    torch.testing.assert_close(laid_out, padded, rtol=1e-4, atol=1e-4)
    found = gradients(model, laid_out)
    assert set(found) == set(expected)
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-3, atol=1e-3)


def test_no_padding_is_run(make_model, batch, monkeypatch):
    model = make_model()
    head = check_head(model)
    assert packs_rows(model, head)
    seen = []
    model.model.layers[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[:2]))
    answer_states(model, head, batch, packed=True)
    tokens = int(batch["attention_mask"].sum())
    assert seen == [(1, tokens)]
    assert tokens < batch["input_ids"].numel()
    monkeypatch.setattr("distill.model.forward.LINE_TOKENS", tokens - 1)
    answer_states(model, head, batch, packed=True)
    assert seen[1:] == [tuple(batch["input_ids"].shape)]


def test_attention_is_computed_row_by_row(make_model, batch, monkeypatch):
    model = make_model()
    head = check_head(model)
    assert packs_rows(model, head)
    asked = []

    def attend(query, key, value, **options):
        asked.append((query.shape[2], key.shape[2], options["is_causal"]))
        return original(query, key, value, **options)

    original = rows_attention.scaled_dot_product_attention
    monkeypatch.setattr(rows_attention, "scaled_dot_product_attention", attend)
    answer_states(model, head, batch, packed=True)
    lengths = batch["attention_mask"].sum(1).tolist()
    assert asked == [(length, length, True) for length in lengths] * 2


def test_a_model_that_cannot_tell_rows_apart_keeps_its_padding(make_model):
    class Forgetful(LlamaForCausalLM):
        """Hears nothing of rows, as layers that carry a state from token to token do not."""

        def forward(self, *args, position_ids=None, attention_mask=None, row_lengths=None, **kwargs):
            return super().forward(*args, **kwargs)

    model = Forgetful(make_model().config)
    assert not packs_rows(model, check_head(model))


def test_other_attention_keeps_its_padding(make_model):
    model = make_model()
    model.set_attn_implementation("eager")
    assert not packs_rows(model, check_head(model))
    assert model.config._attn_implementation == "eager"


def test_the_registered_attention_is_not_saved(make_model, tmp_path):
    model = make_model()
    assert lines.use_rows_attention(model)
    model.save_pretrained(tmp_path)
    assert lines.ROWS_ATTENTION not in (tmp_path / "config.json").read_text()
    assert LlamaForCausalLM.from_pretrained(tmp_path).config._attn_implementation == "sdpa"
