"""Models with random weights, in the shapes of published ones: nothing is downloaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """A Qwen3 configuration and the rows that go with it.

    Attributes:
        config: Arguments of `Qwen3Config`.
        prompt: Tokens of every prompt.
        answer: Tokens of every answer.
        demonstration: Tokens of every demonstration.
    """

    config: dict[str, int | float | bool]
    prompt: int
    answer: int
    demonstration: int


def _qwen3(**sizes: int | float | bool) -> dict[str, int | float | bool]:
    return {"num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936} | sizes


SHAPES = {
    "tiny": Shape(
        _qwen3(
            vocab_size=600, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, tie_word_embeddings=True,
        ),
        prompt=12, answer=12, demonstration=24,
    ),
    "qwen3-1.7b": Shape(
        _qwen3(
            hidden_size=2048, intermediate_size=6144, num_hidden_layers=28, num_attention_heads=16,
            tie_word_embeddings=True,
        ),
        prompt=256, answer=256, demonstration=175,
    ),
    "qwen3-8b": Shape(
        _qwen3(
            hidden_size=4096, intermediate_size=12_288, num_hidden_layers=36, num_attention_heads=32,
            tie_word_embeddings=False,
        ),
        prompt=256, answer=256, demonstration=175,
    ),
}  # fmt: skip
"""Rows of 512 tokens, all of one length, so that nobody pads; 8 demonstrations are 1,400."""
