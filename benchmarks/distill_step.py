"""Seconds and memory of one training step, ours beside the published recipe and TRL's losses.

    python benchmarks/distill_step.py                       # every variant, a process each
    python benchmarks/distill_step.py --variants sft ours --steps 3 --num_fewshot 8

Embedded model, float32, LoRA r16 on all linear layers, GSM8K rows (ICL_DATA_DIR, else the sample), batch 4.
All variants see the same batches in the same order. Ratios travel between machines, seconds do not; `cpu s`
(processor seconds) stays meaningful on a machine that is busy with other work.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from distill.collator import IGNORED, Batch, DistillCollator, predicting
from distill.config import DataArguments
from distill.data import TrainingData, load_training_data
from distill.demo_model import resolve_model
from distill.forward import check_head, head_of, hidden_states
from distill.fused import Objective, fused_objective
from distill.teachers import self_teacher

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
VARIANTS = {
    "sft": "plain SFT, full logits (the unit)",
    "published": "published recipe: second full model, full teacher forward, top-256 MSE",
    "trl_jsd": "the same with TRL GKD's full-vocabulary JSD",
    "uncached": "ours without the shared prefix, top-256 MSE",
    "ours": "ours: shared-prefix teacher, fused top-256 MSE",
    "ours_jsd": "ours: shared-prefix teacher, fused JSD (beta 0.5)",
}
Loss = Callable[[Batch], torch.Tensor]


def student_logits(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Logits at answer positions out of full logits, as the peers compute them."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return logits[predicting(batch["labels"])]


def answers(batch: Batch) -> torch.Tensor:
    """The answer tokens `[N]`."""
    return batch["labels"][batch["labels"] != IGNORED]


def peer(name: str, model: PeftModel, path: str) -> Loss:
    """The losses that need nothing of ours."""
    second = None if name == "sft" else AutoModelForCausalLM.from_pretrained(path).eval()

    def teacher_logits(batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            logits = second(batch["teacher_input_ids"], attention_mask=batch["teacher_attention_mask"]).logits
        return logits[predicting(batch["teacher_labels"])]

    def sft(batch: Batch) -> torch.Tensor:
        return functional.cross_entropy(student_logits(model, batch), answers(batch))

    def published(batch: Batch) -> torch.Tensor:
        top = teacher_logits(batch).topk(256)
        student = student_logits(model, batch)
        mse = (student.gather(-1, top.indices) - top.values).square().mean()
        return functional.cross_entropy(student, answers(batch)) + 0.5 * mse

    def trl_jsd(batch: Batch) -> torch.Tensor:
        from trl.experimental.gkd import GKDTrainer

        teacher = teacher_logits(batch)
        student = student_logits(model, batch)
        return GKDTrainer.generalized_jsd_loss(student[None], teacher[None], beta=0.5)

    return {"sft": sft, "published": published, "trl_jsd": trl_jsd}[name]


def ours(name: str, model: PeftModel, data: TrainingData) -> Loss:
    """The trainer's own path."""
    head = check_head(model)
    teacher = self_teacher(model, head, prefixes=data.train_prefixes, shared_prefix=name != "uncached")
    objective = (
        Objective(name="jsd", ce_weight=0, distill_weight=1, beta=0.5) if "jsd" in name else Objective()
    )

    def loss(batch: Batch) -> torch.Tensor:
        inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
        hidden = hidden_states(model, head, predicting(batch["labels"]), use_cache=False, **inputs)
        sums = fused_objective(hidden, head_of(head), answers(batch), teacher.targets(batch), objective)
        return sums.loss / sums.tokens

    return loss


def measure(name: str, steps: int, num_fewshot: int, data_source: str | None) -> dict[str, float]:
    """Medians of `steps` steps after one that warms up (and builds the prefix)."""
    path = resolve_model("demo")
    tokenizer = AutoTokenizer.from_pretrained(path)
    args = DataArguments(
        benchmark="gsm8k",
        data=data_source,
        num_fewshot=num_fewshot,
        eval_rows=0,
        max_train_rows=4 * (steps + 1),
    )
    data = load_training_data(args, tokenizer, max_length=512, seed=0)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(path)
    model = get_peft_model(
        base, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=LINEAR)
    ).train()
    loss = ours(name, model, data) if name.startswith(("ours", "uncached")) else peer(name, model, path)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    walls, cpus = [], []
    for batch in _batches(data, DistillCollator.of(tokenizer)):
        wall, cpu = time.perf_counter(), time.process_time()
        loss(batch).backward()
        optimizer.step()
        optimizer.zero_grad()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    tokens = statistics.mean(len(row["completion_ids"]) for row in data.train) * 4
    return {
        "wall": statistics.median(walls[1:]), "cpu": statistics.median(cpus[1:]), "first": walls[0],
        "peak": peak, "tokens": tokens, "prefix": len(data.train_prefixes[0]),
    }  # fmt: skip


def _batches(data: TrainingData, collator: DistillCollator) -> Iterator[Batch]:
    for start in range(0, len(data.train), 4):
        yield collator(data.train[start : start + 4])


def main() -> None:
    """Run each variant in a process of its own, so that its peak memory is its own, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--num_fewshot", type=int, default=8)
    parser.add_argument("--data", help="hub, sample or a folder; default: ICL_DATA_DIR, else hub")
    parser.add_argument(
        "--here", action="store_true", help="measure the one variant in this process, as JSON"
    )
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure(args.variants[0], args.steps, args.num_fewshot, args.data)))
        return
    results = {}
    for name in args.variants:
        options = ["--steps", str(args.steps), "--num_fewshot", str(args.num_fewshot)]
        options += ["--data", args.data] if args.data else []
        command = [sys.executable, __file__, "--here", "--variants", name, *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        results[name] = json.loads(done.stdout.splitlines()[-1])
        print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    unit = results.get("sft", next(iter(results.values())))
    print("\n| variant | wall s | cpu s | x SFT (wall) | x SFT (cpu) | peak GB |\n|---|---|---|---|---|---|")
    for name, found in results.items():
        ratios = [f"{found[clock] / unit[clock]:.2f}" for clock in ("wall", "cpu")]
        print(
            f"| {VARIANTS[name]} | {found['wall']:.2f} | {found['cpu']:.2f} | {' | '.join(ratios)} "
            f"| {found['peak']:.2f} |"
        )
    print(
        f"\nk = {args.num_fewshot}, prefix {unit['prefix']:.0f} tokens, "
        f"{unit['tokens']:.0f} answer tokens a step"
    )


if __name__ == "__main__":
    main()
