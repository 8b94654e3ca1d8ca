"""vLLM's prompt log-probabilities -> targets."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from trl import ModelConfig

from distill.teachers.cached.batch import CachedTeacher, target_batch
from distill.training.caching.vllm_backend import VllmBackend, answer_targets
from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.launch import Run
from lm_eval_tasks.errors import UserError

ROW = {
    "id": "7", "prompt_ids": [1], "teacher_prompt_ids": [3, 4, 5], "completion_ids": [6, 2],
    "demonstrations": 1, "length": 3,
}  # fmt: skip


def flat_of(logits, ids, k):
    """As vLLM gives it: nothing for the first token; then the token itself and the k likeliest, falling."""
    flat = SimpleNamespace(start_indices=[0], token_ids=[], logprobs=[])
    for position, token in enumerate(ids[1:]):
        log_probs = logits[position].log_softmax(-1)
        top = log_probs.topk(k)
        flat.start_indices.append(len(flat.token_ids))
        flat.token_ids += [token, *top.indices.tolist()]
        flat.logprobs += [log_probs[token].item(), *top.values.tolist()]
    return flat


@pytest.fixture
def logits():
    return torch.randn(5, 40, generator=torch.Generator().manual_seed(0)) * 4


def test_the_answers_positions_are_kept(logits):
    flat = flat_of(logits, [3, 4, 5, 6, 2], 8)
    found = answer_targets(flat, ROW, 8, np.uint16)
    # The two positions before the answer's tokens predict them.
    expected = logits[2:4].log_softmax(-1).topk(8)
    assert found.indices.tolist() == expected.indices.tolist()
    np.testing.assert_array_equal(found.log_probs, expected.values.half().numpy())
    np.testing.assert_allclose(found.tail_mass, 1 - expected.values.exp().sum(-1), rtol=1e-4, atol=1e-6)
    assert found.log_normalizer is None
    top = CachedTeacher().targets(target_batch([found]))
    mass = (top.logits - top.log_normalizer[:, None]).exp().sum(-1)
    torch.testing.assert_close(1 - mass, torch.from_numpy(found.tail_mass), rtol=1e-4, atol=1e-6)


def test_positions_that_vllm_skipped_are_noticed(logits):
    flat = flat_of(logits, [3, 4, 5, 6, 2], 8)
    begin = flat.start_indices[3]
    flat.token_ids[begin : begin + 9] = [0] * 9
    flat.logprobs[begin : begin + 9] = [0.0] * 9
    assert answer_targets(flat, ROW, 8, np.uint16) is None


@pytest.mark.parametrize(
    ("settings", "model", "message"),
    [
        ({"objective": "topk_mse"}, {}, "topk_mse compares raw logits"),
        ({}, {"load_in_4bit": True}, "quantised teacher"),
    ],
)
def test_what_vllm_cannot_give_is_refused_before_it_starts(tmp_path, settings, model, message):
    args = ICLDistillConfig(
        str(tmp_path), use_cpu=True, bf16=False, teacher_targets="x", **{"objective": "topk_kl"} | settings
    )
    run = Run(DataArguments("gsm8k"), ModelConfig(**model), args, {}, None, None)
    with pytest.raises(UserError, match=message):
        VllmBackend(run, {})
