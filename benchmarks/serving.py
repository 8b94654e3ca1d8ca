"""Serving a baked adapter in vLLM against serving the prompt that it took the place of.

    . scripts/vllm/env.sh && .venv-vllm/bin/python benchmarks/serving.py --adapter runs/demo/orders/adapter

Three ways to ask the same questions of one engine: the prompt, read anew by every request (its first tokens
differ); the prompt from the prefix cache, which every request finds warm; the adapter without a prompt. Token
ids are drawn: what is measured hangs on their number alone. Time to the first token: single requests, one
after another, the median. Throughput: all requests at once, answers of a fixed length.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vllm import LLM, SamplingParams, TokensPrompt
from vllm.lora.request import LoRARequest

from distill.model.demo_model import build_demo_model

WAYS = ("prompt, read anew", "prompt, from the prefix cache", "adapter, no prompt")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask.

    Attributes:
        prompts: A function that draws a request's token ids.
        lora: The adapter; None: the bare model.
    """

    prompts: Callable[[], list[int]]
    lora: Any = None


def ways(draw: random.Random, size: int, prompt: int, question: int, lora: Any) -> dict[str, Way]:
    """The three ways, with prompts of `prompt` tokens before questions of `question`."""

    def drawn(tokens: int) -> list[int]:
        return [draw.randrange(size) for _ in range(tokens)]

    shared = drawn(prompt)
    made = (
        Way(lambda: drawn(prompt + question)),
        Way(lambda: [*shared, *drawn(question)]),
        Way(lambda: drawn(question), lora),
    )
    return dict(zip(WAYS, made, strict=True))


def first_token(llm: LLM, way: Way, requests: int) -> float:
    """Median seconds to the first token of single requests."""
    asked = SamplingParams(max_tokens=1, temperature=0.0)
    taken = []
    for _ in range(requests + 2):
        prompt = TokensPrompt(prompt_token_ids=way.prompts())
        begun = time.perf_counter()
        llm.generate([prompt], asked, lora_request=way.lora, use_tqdm=False)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[2:])  # the first two warm up what only they pay for


def throughput(llm: LLM, way: Way, requests: int, new_tokens: int) -> float:
    """Requests a second, all of them at once."""
    asked = SamplingParams(max_tokens=new_tokens, temperature=0.0, ignore_eos=True)
    prompts = [TokensPrompt(prompt_token_ids=way.prompts()) for _ in range(requests)]
    begun = time.perf_counter()
    llm.generate(prompts, asked, lora_request=way.lora, use_tqdm=False)
    return requests / (time.perf_counter() - begun)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="default: the embedded one")
    parser.add_argument("--adapter", required=True, help="a LoRA adapter's folder")
    parser.add_argument("--rank", type=int, default=16, help="room for adapters of this rank")
    parser.add_argument("--prompt_tokens", type=int, default=450)
    parser.add_argument("--question_tokens", type=int, default=50)
    parser.add_argument("--new_tokens", type=int, default=24)
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--dtype", default="float32", help="on GPUs: bfloat16")
    args = parser.parse_args()
    llm = LLM(
        model=args.model or str(build_demo_model()),
        dtype=args.dtype,
        enforce_eager=True,
        enable_prefix_caching=True,
        enable_lora=True,
        max_lora_rank=args.rank,
        max_model_len=args.prompt_tokens + args.question_tokens + args.new_tokens + 8,
        seed=42,
    )
    # The last ids of a vocabulary are often special ones.
    size = len(llm.get_tokenizer()) - 1000
    lora = LoRARequest("baked", 1, args.adapter)
    found = {}
    for name, way in ways(random.Random(42), size, args.prompt_tokens, args.question_tokens, lora).items():
        seconds = first_token(llm, way, max(5, args.requests // 4))
        found[name] = seconds, throughput(llm, way, args.requests, args.new_tokens)
    unit = found[WAYS[1]]
    print(f"{args.prompt_tokens} + {args.question_tokens} prompt tokens, {args.new_tokens} new, "
          f"{args.requests} requests, {args.dtype}\n")  # fmt: skip
    print("| | first token (ms) | x cached | requests a second | x cached |")
    print("|---|---|---|---|---|")
    for name, (seconds, rate) in found.items():
        ratios = seconds / unit[0], rate / unit[1]
        print(f"| {name} | {1000 * seconds:.0f} | {ratios[0]:.2f} | {rate:.2f} | {ratios[1]:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
