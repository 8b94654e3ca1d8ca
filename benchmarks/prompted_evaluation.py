"""Greedy answers to prompts that begin with the same demonstrations, against lm-eval's own `HFLM`.

    OMP_NUM_THREADS=2 python benchmarks/prompted_evaluation.py

Orders to JSON on the embedded model, float32: eight demonstrations as chat turns (about 450 tokens) before
every order, and the bare orders. Both sides take turns in one process and must give the same answers. Bare
orders share too few tokens, so that both sides do the same there: how far that ratio is from 1 is the noise.
"""

import argparse
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM, AutoTokenizer

from distill.evaluation.sharing_hflm import SharingHFLM
from distill.model.demo_model import build_demo_model

NAMES = ["Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo", "Irene", "Jonas", "Klara", "Leo"]
CITIES = ["Paris", "Berlin", "Madrid", "Oslo", "Vienna", "Rome", "Lisbon", "Prague", "Dublin", "Athens"]
ITEMS = ["apples", "chairs", "lamps", "books", "candles", "shirts", "plates", "pencils", "carpets", "clocks"]
NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
PHRASINGS = [
    "Hi, this is {customer} from {city}. I would like to order {number} {item}, please.",
    "{customer} in {city} needs {number} {item}.",
    "Please send {number} {item} to {customer}, {city}.",
    "Could you deliver {number} {item} to me in {city}? My name is {customer}.",
    "Order from {city}: {number} {item} for {customer}.",
    "My name is {customer}, I live in {city}, and I want {number} {item}.",
]


def order(draw: random.Random) -> tuple[str, str]:
    """A customer's sentence and its JSON."""
    quantity = draw.randrange(2, 13)
    parts: dict[str, Any] = {name: draw.choice(words) for name, words in
                             {"customer": NAMES, "city": CITIES, "item": ITEMS}.items()}  # fmt: skip
    number = draw.choice([NUMBERS[quantity - 2], str(quantity)])
    sentence = draw.choice(PHRASINGS).format(number=number, **parts)
    answer = '{{"item": "{item}", "quantity": {quantity}, "customer": "{customer}", "city": "{city}"}}'
    return sentence, answer.format(quantity=quantity, **parts)


def requests_of(lm: HFLM, rows: int, shots: int, new_tokens: int) -> list[Instance]:
    """`rows` orders, each behind the same `shots` demonstrations."""
    draw = random.Random(42)
    shown = [
        {"role": role, "content": text}
        for _ in range(shots)
        for role, text in zip(("user", "assistant"), order(draw), strict=True)
    ]
    kwargs = {"until": [], "max_gen_toks": new_tokens, "do_sample": False}
    prompts = [
        lm.apply_chat_template([*shown, {"role": "user", "content": order(draw)[0]}]) for _ in range(rows)
    ]
    return [
        Instance("generate_until", {"id": at}, (prompt, dict(kwargs)), at, ("orders", at, 1))
        for at, prompt in enumerate(prompts)
    ]


def compare(
    sides: Mapping[str, Callable[[], Sequence[str]]], repeats: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Median wall and processor seconds of each side.

    Raises:
        SystemExit: two sides answer differently.
    """
    wall: dict[str, list[float]] = {name: [] for name in sides}
    processor: dict[str, list[float]] = {name: [] for name in sides}
    answers = {}
    for repeat in range(repeats):
        order_of_turns = list(sides.items())[:: 1 if repeat % 2 else -1]
        for name, answer in order_of_turns:
            begun = time.perf_counter(), time.process_time()
            answers[name] = list(answer())
            wall[name].append(time.perf_counter() - begun[0])
            processor[name].append(time.process_time() - begun[1])
        first, *others = answers.values()
        if any(other != first for other in others):
            raise SystemExit(f"The answers differ: {answers}")
    return (
        {name: statistics.median(each) for name, each in wall.items()},
        {name: statistics.median(each) for name, each in processor.items()},
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="default: the embedded one")
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--shots", type=int, nargs="+", default=[8, 0])
    parser.add_argument("--max_new_tokens", type=int, default=25)
    parser.add_argument("--batch_size", type=int, default=32, help="of both sides")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    folder = args.model or str(build_demo_model())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    common = {"tokenizer": AutoTokenizer.from_pretrained(folder), "batch_size": args.batch_size}
    theirs, ours = HFLM(model, **common), SharingHFLM(model, **common)
    print(f"{args.rows} rows, {args.max_new_tokens} new tokens, batches of {args.batch_size}, "
          f"{torch.get_num_threads()} threads, medians of {args.repeats}; answers equal\n")  # fmt: skip
    for lm in (theirs, ours):
        lm.generate_until(requests_of(lm, 4, 8, 4), disable_tqdm=True)  # what only the first call costs
    print("| demonstrations | prompt tokens | lm-eval s (cpu) | ours s (cpu) | ratio (cpu) |")
    print("|---|---|---|---|---|")
    for shots in args.shots:
        requests = requests_of(theirs, args.rows, shots, args.max_new_tokens)
        tokens = statistics.mean(len(theirs.tok_encode(request.args[0])) for request in requests)
        sides = {
            name: partial(lm.generate_until, requests, disable_tqdm=True)
            for name, lm in (("theirs", theirs), ("ours", ours))
        }
        wall, processor = compare(sides, args.repeats)
        print(f"| {shots} | {tokens:.0f} | {wall['theirs']:.1f} ({processor['theirs']:.1f}) | "
              f"{wall['ours']:.1f} ({processor['ours']:.1f}) | **{wall['ours'] / wall['theirs']:.2f}** "
              f"({processor['ours'] / processor['theirs']:.2f}) |", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
