"""The loss alone, forward and backward, of N answer tokens by each kernel."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from trl.experimental.gkd import GKDTrainer

from distill.model.output_head import Head
from distill.objectives.backends import LOSS_KERNELS, check_kernel, objective_sums
from distill.objectives.chunked import HiddenTargets, Objective
from lm_eval_tasks.errors import UserError

OBJECTIVES = {
    "topk_mse": Objective(),
    "jsd": Objective(name="jsd", ce_weight=0.0, distill_weight=1.0, beta=0.5),
}
_NAIVE, _PRODUCT = "naive", "matrix product"


class _Problem(NamedTuple):
    """Hidden states `[N, H]` of student and teacher, the projection `[V, H]` of both, the answer `[N]`."""

    student: torch.Tensor
    teacher: torch.Tensor
    weight: torch.Tensor
    labels: torch.Tensor


def measure_losses(
    sizes: list[int], vocabulary: int, hidden: int, device: str, repeats: int
) -> list[dict[str, Any]]:
    """Seconds (a median) and GiB beyond the inputs, by kernel, objective, N and projection (frozen, trained).

    A kernel that cannot be measured leaves the reason, `failed`, in the place of figures.
    """
    records = []
    for tokens in sizes:
        for trained in (False, True):
            for objective, kernel in _pairs():
                described = {
                    "objective": objective, "kernel": kernel, "tokens": tokens, "vocabulary": vocabulary,
                    "hidden": hidden, "projection": "trained" if trained else "frozen",
                }  # fmt: skip
                try:
                    loss = _loss(kernel, objective)
                    problem = _problem(tokens, vocabulary, hidden, device, trained)
                    figures = _measure(lambda: loss(problem), problem, device, repeats)  # noqa: B023
                except (UserError, torch.OutOfMemoryError) as error:
                    figures = {"failed": str(error).strip().splitlines()[0]}
                records.append(described | figures)
    return records


def _pairs() -> list[tuple[str, str]]:
    kernels = [*LOSS_KERNELS, _NAIVE]
    return [("none", _PRODUCT), *((objective, kernel) for objective in OBJECTIVES for kernel in kernels)]


def _loss(kernel: str, objective: str) -> Callable[[_Problem], torch.Tensor]:
    if kernel == _PRODUCT:
        return lambda problem: functional.linear(problem.student, problem.weight)
    if kernel == _NAIVE:
        return _naive_mse if objective == "topk_mse" else _naive_jsd
    check_kernel(kernel, objective)

    def loss(problem: _Problem) -> torch.Tensor:
        head = Head(problem.weight)
        targets = HiddenTargets(problem.teacher, Head(problem.weight.detach()))
        sums = objective_sums(
            problem.student, head, problem.labels, targets, OBJECTIVES[objective], kernel=kernel
        )
        return sums.loss / len(problem.labels)

    return loss


def _naive_mse(problem: _Problem) -> torch.Tensor:
    student = functional.linear(problem.student, problem.weight).float()
    with torch.no_grad():
        top = functional.linear(problem.teacher, problem.weight).float().topk(min(256, len(problem.weight)))
    mse = (student.gather(-1, top.indices) - top.values).square().mean()
    return functional.cross_entropy(student, problem.labels) + 0.5 * mse


def _naive_jsd(problem: _Problem) -> torch.Tensor:
    student = functional.linear(problem.student, problem.weight).float()
    with torch.no_grad():
        teacher = functional.linear(problem.teacher, problem.weight).float()
    return GKDTrainer.generalized_jsd_loss(student[None], teacher[None], beta=0.5) / len(student)


def _problem(tokens: int, vocabulary: int, hidden: int, device: str, trained: bool) -> _Problem:
    made: dict[str, Any] = {
        "device": device, "dtype": torch.bfloat16 if device == "cuda" else torch.float32,
        "generator": torch.Generator(device).manual_seed(0),
    }  # fmt: skip
    weight = torch.randn(vocabulary, hidden, **made).mul_(hidden**-0.5)
    return _Problem(
        torch.randn(tokens, hidden, **made).requires_grad_(),
        torch.randn(tokens, hidden, **made),
        weight.requires_grad_(trained),
        torch.randint(vocabulary, (tokens,), device=device),
    )


def _measure(
    loss: Callable[[], torch.Tensor], problem: _Problem, device: str, repeats: int
) -> dict[str, float]:
    cuda = device == "cuda"
    seconds = []
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if cuda else 0
    for _ in range(1 + repeats):  # the first compiles and tunes
        problem.student.grad = problem.weight.grad = None
        begun = _now(cuda)
        value = loss()
        value.backward(torch.ones_like(value))
        seconds.append(_now(cuda) - begun)
        del value
    timed = sorted(seconds[1:])
    figures = {"seconds": timed[len(timed) // 2]}
    # The resident size of one process says nothing about one loss among many in it.
    return figures | ({"gib": (torch.cuda.max_memory_allocated() - before) / 2**30} if cuda else {})


def _now(cuda: bool) -> float:
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter()
