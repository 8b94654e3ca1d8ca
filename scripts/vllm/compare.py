"""Two runs of the same tasks: how many answers are identical, and why the others are not.

    python scripts/vllm/compare.py MODEL RUN_A RUN_B [--at_least 0.9 | --at_most 0.5]

Where two greedy answers part, the model is asked (transformers, float32) how far apart its two best next
tokens were: a margin near 0 is a tie that rounding decides. Exits with 1 when the share of identical answers
is out of bounds.
"""

import argparse
import json
from pathlib import Path
from typing import Any

TIE = 1e-2
"""Logits this close are a tie."""


def read_samples(run: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The logged rows of a run by task and row id."""
    rows = {}
    for file in sorted(run.rglob("samples_*.jsonl")):
        task = file.name.removeprefix("samples_").rsplit("_", 1)[0]
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows[task, row["doc"]["id"]] = row
    return rows


def answer(row: dict[str, Any]) -> str:
    """The generated text; in multiple choice the option of the highest log-likelihood."""
    if "strict_acc" in row or "prompt_level_strict_acc" in row:
        return row["resps"][0][0]
    likelihoods = [float(response[0][0]) for response in row["resps"]]
    return f"option {likelihoods.index(max(likelihoods))}"


def margin(model: Any, tokenizer: Any, prompt: str, one: str, other: str) -> tuple[int, float]:
    """The position where two answers part, and the distance of the two best logits there."""
    import torch

    begin = tokenizer(prompt, add_special_tokens=False).input_ids
    first, second = (tokenizer(text, add_special_tokens=False).input_ids for text in (one, other))
    common = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    common = min(len(first), len(second)) if common is None else common
    with torch.inference_mode():
        logits = model(torch.tensor([begin + first[:common]])).logits[0, -1]
    best = logits.topk(2).values
    return common, float(best[0] - best[1])


def main() -> int:
    """Print the agreement of each task and the margin of each difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("runs", nargs=2, type=Path)
    parser.add_argument("--at_least", type=float, default=0.0)
    parser.add_argument("--at_most", type=float, default=1.0)
    args = parser.parse_args()
    one, other = map(read_samples, args.runs)
    keys = sorted(one.keys() & other.keys())
    if not keys:
        raise SystemExit(f"no row is in both {args.runs[0]} and {args.runs[1]}; were samples logged?")
    if any(one[key]["prompt_hash"] != other[key]["prompt_hash"] for key in keys):
        raise SystemExit("the two runs sent different prompts")
    different = [key for key in keys if answer(one[key]) != answer(other[key])]
    for task in sorted({task for task, _ in keys}):
        rows = [key for key in keys if key[0] == task]
        print(f"{task}: {sum(key not in different for key in rows)} of {len(rows)} answers identical")
    if args.at_least and different:
        explain([(key, one[key], other[key]) for key in different if key[0] != "csqa_icl_mc"], args.model)
    share = 1 - len(different) / len(keys)
    print(f"agreement {share:.1%} ({len(keys) - len(different)} of {len(keys)})")
    return 0 if args.at_least <= share <= args.at_most else 1


def explain(differences: list[tuple[Any, dict[str, Any], dict[str, Any]]], name: str) -> None:
    """Print where each pair of answers parts."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(name).eval(), AutoTokenizer.from_pretrained(name)
    for (task, row), one, other in differences:
        prompt = one["arguments"]["gen_args_0"]["arg_0"]
        place, gap = margin(model, tokenizer, prompt, answer(one), answer(other))
        kind = "a tie that rounding decides" if gap < TIE else "NOT a tie"
        print(f"  {task} row {row}: parts at token {place}, best two logits {gap:.2g} apart: {kind}")


if __name__ == "__main__":
    raise SystemExit(main())
