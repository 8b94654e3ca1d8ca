"""The teacher's switches against PyTorch's and PEFT's own, which walk through all modules."""

import pytest
import torch
from peft import IA3Config, LoraConfig, PromptTuningConfig, TaskType, get_peft_model

from distill.model.modes import adapter_off, evaluation_of

IDS = torch.tensor([[5, 6, 7, 8]])
ADAPTERS = {
    "lora": LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False),
    "dora": LoraConfig(r=4, target_modules=["q_proj"], use_dora=True, init_lora_weights=False),
    "a whole module": LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["norm"]),
    "tokens": LoraConfig(r=4, target_modules=["q_proj"], trainable_token_indices=[5, 6]),
    "ia3": IA3Config(target_modules=["v_proj"], feedforward_modules=[], init_ia3_weights=False),
    "prompt": PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3),
}  # fmt: skip


def trained(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_an_adapter_is_off_as_peft_turns_it_off(make_model, kind):
    bare = make_model()
    with torch.no_grad():
        expected = bare(IDS).logits
        model = get_peft_model(bare, ADAPTERS[kind]).eval()
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
        adapted = model(IDS).logits
        assert (adapted[:, -4:] - expected).abs().max() > 1e-3
        before, off = trained(model), adapter_off(model)
        with off():
            found = model(IDS).logits
            with off():
                assert torch.equal(model(IDS).logits, found)
            assert torch.equal(model(IDS).logits, found)  # an inner one leaves it off
        with model.disable_adapter():
            assert torch.equal(model(IDS).logits, found)
        assert torch.equal(found, expected)
        assert torch.equal(model(IDS).logits, adapted)
    assert trained(model) == before != set()


def test_trained_biases_are_left_to_peft_which_warns(make_model):
    config = LoraConfig(r=4, target_modules=["q_proj"], bias="all")
    model = get_peft_model(make_model(), config)
    with pytest.warns(UserWarning, match="bias configured to be 'all'"), adapter_off(model)():
        pass


def test_evaluation_mode_ends_as_each_module_was(make_model):
    model = make_model().train()
    model.model.norm.eval()
    before = {name: module.training for name, module in model.named_modules()}
    evaluating = evaluation_of(model)
    with pytest.raises(ValueError, match="inside"), evaluating():
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
        raise ValueError("inside")
    assert {name: module.training for name, module in model.named_modules()} == before
    assert torch.is_grad_enabled()
