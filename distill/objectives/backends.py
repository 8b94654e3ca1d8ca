"""What computes the objective: our kernel, TRL's (Triton on GPUs) or Liger's, equal in value and gradient.

Ours (`chunked`) knows every objective and computes the gradient in the forward pass. The others compute `jsd`
and its mix with cross-entropy; their log of agreement costs two projections more.

Notation: N answer tokens, H hidden size, V vocabulary entries.
"""

from importlib.util import find_spec

import torch
from trl.kernels import ChunkedLogProbFunction

# Not among TRL's public names; test_kernels.py holds it against ours.
from trl.kernels.chunked_divergence import VOCAB_CHUNK_SIZE, ChunkedDivergenceFunction

from distill.model.output_head import Head, gathered
from distill.objectives.chunked import HiddenTargets, Objective, ObjectiveSums, fused_objective
from distill.objectives.divergences import TopK
from lm_eval_tasks.errors import UserError, check

LOSS_KERNELS = ("fused", "trl", "liger")


def check_kernel(kernel: str, objective: str) -> None:
    """Check a configuration's `loss_kernel`.

    Raises:
        UserError: there is none of this name, it lacks the objective, or its package is not installed.
    """
    check(kernel in LOSS_KERNELS, "loss_kernel", kernel, f"choose from {', '.join(LOSS_KERNELS)}")
    check(
        kernel == "fused" or objective == "jsd",
        "loss_kernel",
        kernel,
        f"it computes the objective jsd only, and objective is {objective!r}: choose fused",
    )
    if kernel == "liger" and find_spec("liger_kernel") is None:
        raise UserError(
            "loss_kernel: liger needs the package liger-kernel (`pip install liger-kernel`), which is not "
            "installed; or choose fused or trl."
        )


def objective_sums(
    hidden: torch.Tensor,
    head: Head,
    labels: torch.Tensor,
    teacher: HiddenTargets | TopK | None,
    objective: Objective,
    *,
    kernel: str = "fused",
    chunk_tokens: int = 128,
) -> ObjectiveSums:
    """The objective of N answer tokens by one of `LOSS_KERNELS`; see `chunked.fused_objective`.

    Args:
        hidden: The student's last hidden states `[N, H]`.
        head: The student's vocabulary projection.
        labels: The answer tokens `[N]`.
        teacher: What to distil from; its hidden states, for kernels other than `fused`. None: nothing, where
            `distill_weight` is 0; that is computed by `fused`.
        objective: What to compute; `jsd`, for kernels other than `fused`.
        kernel: Which one computes it.
        chunk_tokens: Tokens whose logits exist at once; TRL has a size of its own.

    Raises:
        TypeError: a teacher's top K for a kernel that needs its whole distribution.
        UserError: the kernel liger, and a model that scales or caps its logits.
    """
    if kernel == "fused" or teacher is None:
        return fused_objective(hidden, head, labels, teacher, objective, chunk_tokens=chunk_tokens)
    if isinstance(teacher, TopK):
        raise TypeError(f"the kernel {kernel} needs the teacher's whole distribution")
    if len(head.weight) > len(teacher.head.weight):
        raise UserError(
            f"loss_kernel: {kernel} needs a teacher whose vocabulary has the student's {len(head.weight)} "
            f"entries at least, not {len(teacher.head.weight)}; choose fused."
        )
    with gathered(head, teacher.head):
        if kernel == "trl":
            loss, ce, divergence = _trl(hidden, head, labels, teacher, objective)
        else:
            loss, ce, divergence = _liger(hidden, head, labels, teacher, objective, chunk_tokens)
        agreement = _agreement(hidden, head, teacher, chunk_tokens)
    tokens = torch.full_like(ce, len(labels))
    return ObjectiveSums(loss, ce.detach(), divergence.detach(), agreement.to(ce.dtype), tokens)


def _trl(
    hidden: torch.Tensor, head: Head, labels: torch.Tensor, teacher: HiddenTargets, objective: Objective
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    with torch.set_grad_enabled(torch.is_grad_enabled() and objective.ce_weight > 0):
        # At temperature 1, and with none of its optional statistics.
        log_probs, *_ = ChunkedLogProbFunction.apply(
            hidden, head.weight, head.bias, labels, 1.0, VOCAB_CHUNK_SIZE, head.softcap, head.scale, ()
        )
        ce = -log_probs.sum()
    per_token, _ = ChunkedDivergenceFunction.apply(
        hidden,
        head.weight,
        head.bias,
        teacher.hidden,
        teacher.head.weight,
        teacher.head.bias,
        objective.beta,
        objective.temperature,
        head.scale,
        head.softcap,
        teacher.head.scale,
        teacher.head.softcap,
    )
    divergence = per_token.sum()
    return objective.ce_weight * ce + objective.distill_weight * divergence, ce, divergence


def _liger(
    hidden: torch.Tensor,
    head: Head,
    labels: torch.Tensor,
    teacher: HiddenTargets,
    objective: Objective,
    chunk_tokens: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # Untyped where it is installed, and unknown where it is not.
    from liger_kernel.chunked_loss import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
        LigerFusedLinearJSDLoss,
    )

    if any(each.scale != 1 or each.softcap for each in (head, teacher.head)):
        raise UserError(
            "loss_kernel: liger knows no model that scales or caps its logits; choose fused or trl."
        )
    kernel = LigerFusedLinearJSDLoss(
        weight_hard_loss=objective.ce_weight,
        weight_soft_loss=objective.distill_weight,
        beta=objective.beta,
        temperature=objective.temperature,
        compiled=hidden.is_cuda,
        chunk_size=chunk_tokens,
        return_soft_hard_loss=True,
    )
    means = kernel(
        hidden, head.weight, teacher.hidden, teacher.head.weight, labels, head.bias, teacher.head.bias
    )
    loss, divergence, ce = (mean * len(labels) for mean in means)
    return loss, ce, divergence


@torch.no_grad()
def _agreement(hidden: torch.Tensor, head: Head, teacher: HiddenTargets, chunk_tokens: int) -> torch.Tensor:
    """Tokens where student and teacher have the same likeliest entry."""
    pairs = zip(hidden.split(chunk_tokens), teacher.hidden.split(chunk_tokens), strict=True)
    same = [
        (head.logits(mine).argmax(-1) == teacher.head.logits(its).argmax(-1)).sum() for mine, its in pairs
    ]
    return torch.stack(same).sum()
