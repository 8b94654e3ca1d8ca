"""Time, memory and page size of a report of many runs: `python benchmarks/report_size.py`.

Writes results and per-sample logs of `--runs` checkpoints with `--rows` responses each, as `icl-distill eval`
does, and makes the report in a process of its own. Half of the runs are GSM8K, half are IFEval. `cpu s`
(processor seconds) stays meaningful on a machine that is busy with other work. `--steps 1` makes every run a
condition of its own: all responses stand side by side then, the worst case.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from distill.evaluation.results import ResultsFile
from distill.evaluation.summary import diagnose, summarise
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.harness.measured import Scored

WORDS = ("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on")
MEASURED = ("gsm8k", "ifeval")


def main() -> int:
    """Print one line of a table for each repeat."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=5, help="steps of a condition")
    parser.add_argument("--words", type=int, default=250, help="words of a response")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    print(
        "| runs | steps | rows | logs (MB) | seconds | cpu s | peak memory (MB) | page (MB) | figures (MB) |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        run, output = Path(folder) / "run", Path(folder) / "report"
        write_runs(run, args)
        logs = megabytes(run.rglob("*.jsonl"))
        for _ in range(args.repeats):
            seconds, cpu, memory = timed("report", str(run), "--output", str(output))
            page, figures = megabytes([output / "index.html"]), megabytes(output.glob("*.[ps][nv]g"))
            asked = f"| {args.runs} | {args.steps} | {args.rows} | {logs:.0f} "
            print(
                f"{asked}| {seconds:.1f} | {cpu:.1f} | {memory:.0f} | {page:.1f} | {figures:.1f} |",
                flush=True,
            )
    return 0


def write_runs(folder: Path, args: argparse.Namespace) -> None:
    """Two runs of the base model and conditions of some steps each, in turn on the two benchmarks."""
    rng = random.Random(0)
    files = {name: ResultsFile(folder / name / "results.json", "checkpoints") for name in MEASURED}
    for number in range(args.runs):
        benchmark, place = MEASURED[number % 2], number // 2
        base = place < 2
        step = None if base else 100 * (1 + (place - 2) % args.steps)
        trained = "baseline" if place < 2 + args.steps else f"v{(place - 2) // args.steps}"
        condition = "base" if base else trained
        samples = [row(rng, benchmark, sample, args.words) for sample in range(args.rows)]
        k = 8 * place if base else 0
        files[benchmark].add(entry(benchmark, condition, step, k, samples), samples)


def row(rng: random.Random, benchmark: str, number: int, words: int) -> dict[str, Any]:
    """One response of random words."""
    right = rng.random() < 0.5
    text = " ".join(rng.choices(WORDS, k=words)) + f"\n#### {number if right else number + 1}"
    found: dict[str, Any] = {
        "id": str(number),
        "question": f"Question {number}: " + " ".join(random.Random(number).choices(WORDS, k=60)),
        "target": str(number),
        "response": text,
        "response_tokens": len(text) // 4,
        "truncated": rng.random() < 0.03,
    }
    found |= dict.fromkeys(("response_empty", "unclosed_think", "response_looping", "scorer_error"), False)
    if benchmark == "gsm8k":
        return found | {"strict_acc": right, "flexible_acc": right, "no_answer": False}
    levels = {f"inst_level_{level}_acc": [right, True] for level in ("strict", "loose")}
    whole = {f"prompt_level_{level}_acc": right for level in ("strict", "loose")}
    names = {"instruction_id_list": ["punctuation:no_comma", "detectable_format:title"]}
    return found | levels | whole | names


def entry(
    benchmark: str, condition: str, step: int | None, k: int, samples: list[dict[str, Any]]
) -> dict[str, Any]:
    """A results entry; what the report only passes on is constant."""
    scored = [Scored(score.name, score.name, unit=score.unit) for score in BENCHMARKS[benchmark].scores]
    return {
        "condition": condition,
        "step": step,
        "benchmark": benchmark,
        "num_fewshot": k,
        "metrics": summarise(scored, samples, {}),
        "diagnostics": diagnose(scored, samples),
        "data": {"source": "sample", "rows": len(samples), "rows_in_split": len(samples), "fingerprint": "d"},
        "demonstrations": {"num_fewshot": k},
        "prompts": {"fingerprint": f"p{k}", "chat_template": "t"},
        "generation": {"max_gen_toks": 512, "do_sample": False},
        "versions": dict.fromkeys(("lm_eval", "icl_distill", "transformers"), "1"),
        "date": "2026-01-01T00:00:00+00:00",
        "seconds": 60.0,
        "model": {"name": "base", "kind": "base", "checkpoint": None, "fingerprint": f"{condition}{step}"}
        | {"base_fingerprint": "b", "dtype": "bfloat16"},
        "request": {"backend": "vllm", "enable_thinking": False, "seed": 42},
    }


def timed(*arguments: str) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak megabytes of `icl-distill` with these arguments."""
    code = (
        "import json, resource, sys; from distill.cli import main; code = main(sys.argv[1:])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024])); sys.exit(code)"
    )
    begun = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    cpu, memory = json.loads(ran.stdout.splitlines()[-1])
    return time.monotonic() - begun, cpu, memory


def megabytes(files: Any) -> float:
    """Their size together."""
    return sum(file.stat().st_size for file in files) / 1e6


if __name__ == "__main__":
    sys.exit(main())
