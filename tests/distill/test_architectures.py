"""Every architecture's teacher and student against plain forward passes; see `docs/models.md`.

`ICL_ALL_ARCHITECTURES=1` tries every one under every condition.
"""

import os
from itertools import product

import pytest
import torch

from distill.evaluation.shared_prompt import SharedPrompt, answers_alike, obstacle, run_behind
from distill.model.packed_attention import longest_window
from tests.distill.against_plain import student_deviation, teacher_deviation, token_rows
from tests.distill.architectures import ARCHITECTURES

PLAIN_STUDENT = ("Gemma 2", "GPT-OSS")
"""Their attention is eager, of which a line would have more than its rows have padding."""

NAMES = [each.name for each in ARCHITECTURES]


@pytest.fixture(params=ARCHITECTURES, ids=NAMES)
def architecture(request):
    return request.param


def test_teacher_has_the_log_probabilities_of_plain_forward_passes(architecture):
    error, shared = teacher_deviation(architecture)
    assert error < 1e-4
    assert shared == architecture.fast


@torch.no_grad()
def test_evaluation_shares_a_prompt_exactly_or_not_at_all(architecture):
    model = architecture.build()
    exempt = obstacle(model)
    windows = longest_window(model.config) > 0
    assert (exempt is None) == (architecture.fast and not windows)
    if exempt is None:
        prefix, rows = token_rows()
        # Its cache holds what keys and values are made from.
        assert answers_alike(model, prefix) == (architecture.name != "DeepSeek-V3")
        if architecture.name == "DeepSeek-V3":
            return
        ids = torch.tensor([prefix + rows[0]["completion_ids"], prefix + rows[2]["completion_ids"]])
        expected = architecture.build("eager")(ids, use_cache=False).logits[:, 60:]
        shared = SharedPrompt(model, prefix, ids.device)
        assert (run_behind(model, shared, input_ids=ids[:, 60:]) - expected).abs().max() < 1e-4


def conditions():
    """(adapter, checkpointing, rows) of each architecture: in turn, or all."""
    every = list(product((False, True), (False, True), (4, 8, 1)))
    if os.environ.get("ICL_ALL_ARCHITECTURES"):
        return [(each, *condition) for each in ARCHITECTURES for condition in every]
    few = [(False, True, 4), (True, False, 8), (True, True, 4)]
    return [(each, *few[number % len(few)]) for number, each in enumerate(ARCHITECTURES)]


@pytest.mark.parametrize(("architecture", "adapter", "checkpointing", "rows"), conditions())
def test_student_has_the_loss_and_gradients_of_plain_forward_passes(
    architecture, adapter, checkpointing, rows
):
    loss, gradients, packed = student_deviation(
        architecture, adapter=adapter, checkpointing=checkpointing, count=rows
    )
    assert loss < 1e-4
    assert gradients < 1e-3
    assert packed == (architecture.fast and architecture.name not in PLAIN_STUDENT)
