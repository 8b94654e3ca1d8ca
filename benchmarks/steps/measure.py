"""Runs jobs, each in a process of its own, and gathers what they took."""

import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from .flops import step_flops
from .jobs import WRITES, Job
from .shapes import SHAPES

if TYPE_CHECKING:
    from distill.encoding.token_rows import Row

_IMPORTED_ONCE = [
    "torch",
    "transformers",
    "datasets",
    "peft",
    "trl",
    "trl.experimental.gkd",
    "trl.experimental.sdft",
]


def run_jobs(jobs: Iterable[Job], repeats: int) -> list[dict[str, Any]]:
    """The records (see `run_job`) of all jobs, which take turns, repeat by repeat.

    A job that fails leaves `failed` in its record in the place of figures, and the others go on.
    """
    jobs = list(jobs)
    records = []
    turns = [(repeat, job) for repeat in range(repeats) for job in jobs]
    for repeat, job in tqdm(turns, desc="trainers", file=sys.stderr):
        record = _in_own_process(job.device, _attempt, job)
        if "failed" in record:
            tqdm.write(f"{job.variant} on {job.model}: {record['failed']}", file=sys.stderr)
        records.append({"repeat": repeat, **_described(job), **record})
    return records


def run_losses(device: str, repeats: int, **sizes: Any) -> list[dict[str, Any]]:
    """The records of `loss_kernels.measure_losses`, made in another process."""
    found = _in_own_process(device, _losses, {"device": device, "repeats": repeats, **sizes})
    if isinstance(found, dict):
        raise SystemExit(f"the loss alone: {found['failed']}")
    return found


def _losses(options: dict[str, Any]) -> list[dict[str, Any]]:
    from .loss_kernels import measure_losses

    return measure_losses(**options)


def _in_own_process(device: str, work: Callable[[Any], Any], argument: Any) -> Any:
    """What `work` returns, or why its process ended in the middle of it."""
    # A fork of a process that has touched CUDA cannot use it; on the CPU imports are paid for once.
    context = multiprocessing.get_context("spawn" if device == "cuda" else "forkserver")
    if device != "cuda":
        context.set_forkserver_preload(_IMPORTED_ONCE)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(work, argument).result()
        except BrokenProcessPool as error:
            return {"failed": f"its process ended: {error}"}


def _described(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in ("variant", "model", "tuning", "batch_size")}


def _attempt(job: Job) -> dict[str, Any]:
    try:
        with redirect_stdout(sys.stderr):
            return run_job(job)
    except Exception as error:
        # What a child prints is of no use to a table; the reason is.
        return {
            "failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        }


def run_job(job: Job) -> dict[str, Any]:
    """Train as `job` says, in this process.

    Returns:
        `seconds` and `cpu_seconds` of a step; `tokens` of prompt and answer that the student reads in a step,
        and `answer_tokens` of them; `peak_gib` and `before_gib`; of a shape `tflop`, the operations that a
        step cannot do without (see `flops.py`); `kernels` and `synchronisations`, where they were counted;
        the mean `loss`; the `device`.
    """
    import torch

    from .clock import Clock
    from .variants import build_trainer
    from .workload import workload

    torch.set_num_threads(job.threads)
    work = workload(job)
    clock = Clock(job.steps, job.device, job.profile)
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(job, work, Path(folder), clock)
        trainer.train()
    timed = work.rows[job.batch_size : job.batch_size * (1 + job.steps)]
    prompt = sum(len(row["prompt_ids"]) for row in timed) / job.steps
    answer = _answer_tokens(job, work.rows, timed, clock.logged)
    return {
        "seconds": clock.seconds / job.steps,
        "cpu_seconds": clock.cpu_seconds / job.steps,
        "tokens": prompt + answer,
        "answer_tokens": answer,
        "peak_gib": clock.peak_gib,
        "before_gib": clock.before_gib,
        "loss": clock.logged["train_loss"],
        **({"tflop": step_flops(job, timed, answer) / 1e12} if job.model in SHAPES else {}),
        **clock.counts,
        "device": torch.cuda.get_device_name() if job.device == "cuda" else "CPU",
    }


def _answer_tokens(job: Job, rows: "Sequence[Row]", timed: "Sequence[Row]", logged: dict[str, Any]) -> float:
    """Answer tokens of a step: those of the rows, or of the answers that the trainer says it wrote."""
    written = logged.get("completions/mean_length", logged.get("generated_length"))
    if job.kind in WRITES:
        return float(written) * job.batch_size
    expected = sum(len(row["completion_ids"]) for row in rows) / len(rows)
    if job.kind == "distillation_given" and abs(written - expected) > 0.01:
        raise AssertionError(f"given answers of {expected} tokens, and TRL's trainer had some of {written}")
    return sum(len(row["completion_ids"]) for row in timed) / job.steps
