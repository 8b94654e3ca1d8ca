"""How long a request's prompt takes to be read, on the engine in use: the time to its first token.

Only the number of tokens matters for that, not which they are: they are drawn anew for every request, so that
no cache of earlier prompts (vLLM's) serves any of them.
"""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig

from distill.model.modes import evaluating

REPEATS = 5
_WARM_UP = 2


def prefill_seconds(lm: Any, tokens: int, *, seed: int = 42, repeats: int = REPEATS) -> float:
    """The median time to the first token of a single request.

    Args:
        lm: A model of an engine, on the hf or the vllm backend.
        tokens: Of the prompt; 1 or more.
        seed: Of the drawn tokens.
        repeats: Timed requests, after two that are not.

    Returns:
        Seconds.
    """
    draw, size = random.Random(seed), len(lm.tokenizer)
    read = _transformers(lm) if isinstance(lm.model, torch.nn.Module) else _vllm(lm)
    taken = []
    for _ in range(_WARM_UP + repeats):
        ids = [draw.randrange(size) for _ in range(tokens)]
        begun = time.perf_counter()
        read(ids)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[_WARM_UP:])


def _transformers(lm: Any) -> Callable[[list[int]], None]:
    config = GenerationConfig(max_new_tokens=1, do_sample=False, pad_token_id=0)

    def read(ids: list[int]) -> None:
        with evaluating(lm.model):
            given = torch.tensor([ids], device=lm.model.device)
            written = lm.model.generate(
                input_ids=given, attention_mask=torch.ones_like(given), generation_config=config
            )
            written[0, -1].item()  # waits for the device

    return read


def _vllm(lm: Any) -> Callable[[list[int]], None]:
    from vllm import SamplingParams, TokensPrompt

    asked = SamplingParams(max_tokens=1, temperature=0.0)

    def read(ids: list[int]) -> None:
        prompt = TokensPrompt(prompt_token_ids=ids)
        lm.model.generate([prompt], asked, lora_request=lm.lora_request, use_tqdm=False)

    return read
