"""A sweep of LoRA checkpoints in one engine, against one `lm_eval` command line for each of them.

    . scripts/vllm/env.sh
    .venv-vllm/bin/python benchmarks/sweep.py --model "$(.venv/bin/icl-distill demo-model)"

Both sides answer the same rows of the same two tasks with the same limits, on vLLM in float32, and log every
answer. Theirs starts an engine for each checkpoint, ours one for all. The wall time is of whole commands; the
adapters are random, so that each one answers differently. Needs an idle machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

METRICS = {"gsm8k": "strict_acc", "ifeval": "inst_level_strict_acc"}
CONDITION = "lora"

Scores = dict[tuple[int, str], float]
Answers = dict[tuple[int, str], list[str]]


def main() -> int:
    """Print the table; 1 if a score differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder of the base model")
    parser.add_argument("--checkpoints", type=int, default=5)
    parser.add_argument("--limit", type=int, default=4, help="rows of each task")
    parser.add_argument("--max_new_tokens", type=int, default=32)
    parser.add_argument("--data", default=os.environ.get("ICL_DATA_DIR", "sample"))
    parser.add_argument("--work", type=Path, help="folder for adapters and results; default: a temporary one")
    args = parser.parse_args()
    args.work = args.work or Path(tempfile.mkdtemp(prefix="sweep."))
    steps = range(1, args.checkpoints + 1)
    make_adapters(args.model, args.work, steps)
    ours_seconds = timed(our_command(args, steps), args.work / "ours.log")
    scores, answers = our_results(args.work)
    their_seconds = [timed(their_command(args, step), args.work / f"theirs-{step}.log") for step in steps]
    their_scores, their_answers = their_results(args.work, steps)
    print_table(ours_seconds, their_seconds, args)
    for key in sorted(their_scores):
        same = sum(one == other for one, other in zip(answers[key], their_answers[key], strict=True))
        print(
            f"checkpoint {key[0]}, {key[1]} {METRICS[key[1]]}: ours {scores[key]:.4f}, theirs "
            f"{their_scores[key]:.4f}; {same} of {len(answers[key])} answers identical"
        )
    different = len({tuple(answers[step, "gsm8k"]) for step in steps})
    print(f"{different} of {len(steps)} checkpoints answer gsm8k each in its own way")
    return 0 if scores == their_scores else 1


def make_adapters(model: str, work: Path, steps: range) -> None:
    """Random LoRA adapters, as training lays them out."""
    for step in steps:
        torch.manual_seed(step)
        config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
        peft = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
        peft.save_pretrained(work / CONDITION / f"checkpoint-{step}")


def our_command(args: argparse.Namespace, steps: range) -> list[str]:
    """All checkpoints in one engine."""
    config = args.work / "config.yaml"
    config.write_text(f"model_name_or_path: {args.model}\ntask: gsm8k\n", encoding="utf-8")
    options = {
        "--config": config,
        "--conditions": CONDITION,
        "--base_dir": args.work,
        "--output": args.work / "results.json",
        "--n_samples": args.limit,
        "--max_new_tokens": args.max_new_tokens,
        "--data": args.data,
        "--backend": "vllm",
        "--dtype": "float32",
        "--model_args": "enforce_eager=True,max_model_len=4096",
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [sys.executable, "-m", "distill.cli", "eval", *words, "--task", *METRICS, "--checkpoint_steps",
            *map(str, steps)]  # fmt: skip


def their_command(args: argparse.Namespace, step: int) -> list[str]:
    """One checkpoint in an engine of its own."""
    model_args = (
        f"pretrained={args.model},lora_local_path={args.work / CONDITION / f'checkpoint-{step}'},"
        "max_lora_rank=8,dtype=float32,enforce_eager=True,max_model_len=4096,seed=42"
    )
    options = {
        "--model": "vllm",
        "--model_args": model_args,
        "--tasks": ",".join(f"{benchmark}_icl_0shot" for benchmark in METRICS),
        "--limit": args.limit,
        "--gen_kwargs": f"max_gen_toks={args.max_new_tokens}",
        "--metadata": json.dumps({"data": args.data}),
        "--batch_size": "auto",
        "--output_path": args.work / f"theirs-{step}",
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [sys.executable, "-m", "lm_eval", "run", *words, "--apply_chat_template", "--log_samples"]


def timed(command: list[str], log: Path) -> float:
    """Wall seconds of a whole command.

    Raises:
        SystemExit: it failed; its last lines are shown.
    """
    begun = time.perf_counter()
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{log.read_text(encoding='utf-8')[-3000:]}")
    return time.perf_counter() - begun


def our_results(work: Path) -> tuple[Scores, Answers]:
    """By checkpoint and benchmark."""
    scores, answers = {}, {}
    for entry in _json(work / "results.json")["results"]:
        key = entry["step"], entry["benchmark"]
        scores[key] = entry["metrics"][METRICS[key[1]]]["rate"]
        answers[key] = [row["response"] for row in _rows(work / entry["samples"])]
    return scores, answers


def their_results(work: Path, steps: range) -> tuple[Scores, Answers]:
    """By checkpoint and benchmark."""
    scores, answers = {}, {}
    for step in steps:
        (file,) = (work / f"theirs-{step}").rglob("results_*.json")
        for benchmark, metric in METRICS.items():
            task = f"{benchmark}_icl_0shot"
            scores[step, benchmark] = _json(file)["results"][task][f"{metric},none"]
            rows = _rows(file.with_name(f"samples_{task}_{file.stem.removeprefix('results_')}.jsonl"))
            answers[step, benchmark] = [row["resps"][0][0] for row in rows]
    return scores, answers


def print_table(ours: float, theirs: list[float], args: argparse.Namespace) -> None:
    """Wall time side by side."""
    print(f"{args.checkpoints} checkpoints x 2 tasks, {args.limit} rows, {args.max_new_tokens} new tokens\n")
    print("| | engine starts | wall s | ratio |\n|---|---|---|---|")
    print(f"| `lm_eval`, a command line each | {len(theirs)} | {sum(theirs):.0f} | 1.00 |")
    print(f"| `icl-distill eval` | 1 | {ours:.0f} | **{ours / sum(theirs):.2f}** |\n")


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    sys.exit(main())
