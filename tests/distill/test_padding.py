"""Rows padded on the left: teacher and student of nine architectures against plain forward passes."""

import pytest

from tests.distill.against_plain import student_deviation, teacher_deviation
from tests.distill.architectures import ARCHITECTURES

LEFT = (
    "Llama",
    "Qwen2 (sliding)",
    "Mistral",
    "Gemma 2",
    "Cohere",
    "Qwen3-MoE",
    "Falcon-H1",
    "LFM2",
    "Mamba 2",
)
"""Packed, with windows, padded, a mixture of experts, and layers that carry a state through the padding."""

CHOSEN = [each for each in ARCHITECTURES if each.name in LEFT]


@pytest.mark.parametrize("architecture", CHOSEN, ids=lambda each: each.name)
def test_left_padding_changes_nothing(architecture):
    error, _ = teacher_deviation(architecture, left=True)
    assert error < 1e-4
    loss, gradients, _ = student_deviation(architecture, adapter=True, left=True)
    assert loss < 1e-4
    assert gradients < 1e-3
