"""The vocabulary projection fused with the loss, in chunks of answer tokens.

The gradient with respect to the hidden states is computed while the chunk's logits exist, and only scaled in
the backward pass: the memory of the loss does not grow with the number of answer tokens, and the vocabulary
is projected once. Nothing of shape `[batch, tokens, vocabulary]` is ever made.

Notation: N answer tokens, H hidden size, V vocabulary entries, n tokens of one chunk.
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from distill.model.output_head import Head, gathered
from distill.objectives import divergences as losses
from distill.objectives.divergences import TopK, ValueGrad

_LEAST, _MOST = 128, 8192
_TEMPORARIES = 8
"""Tensors of a chunk's size that exist at once, at most: logits, log-probabilities, gradients."""

OBJECTIVES = ("topk_mse", "jsd", "topk_kl")


class HiddenTargets(NamedTuple):
    """A teacher as its last hidden states `[N, H]` and its head."""

    hidden: torch.Tensor
    head: Head


@dataclass(frozen=True, slots=True)
class Objective:
    """`ce_weight * cross-entropy + distill_weight * divergence`, summed over answer tokens.

    Attributes:
        name: The divergence: `topk_mse`, `jsd` or `topk_kl`; see `distill.objectives.divergences`.
        ce_weight: Weight of the cross-entropy with the gold answer.
        distill_weight: Weight of the divergence from the teacher (the recipe's lambda).
        top_k: Teacher entries that `topk_mse` and `topk_kl` look at.
        beta: Of `jsd`.
        temperature: Of `jsd`.
    """

    name: str = "topk_mse"
    ce_weight: float = 1.0
    distill_weight: float = 0.5
    top_k: int = 256
    beta: float = 0.0
    temperature: float = 1.0

    def divergence(self, student: torch.Tensor, teacher: torch.Tensor | TopK) -> ValueGrad:
        """Per-token divergence of student logits `[n, V]` from the teacher's logits `[n, V]` or top K."""
        if self.name == "jsd":
            if isinstance(teacher, TopK):
                raise TypeError("the objective jsd needs the teacher's whole distribution")
            return losses.generalized_jsd(student, teacher, beta=self.beta, temperature=self.temperature)
        top = teacher if isinstance(teacher, TopK) else TopK.of(teacher, self.top_k)
        return losses.topk_mse(student, top) if self.name == "topk_mse" else losses.topk_kl(student, top)


@dataclass(slots=True)
class ObjectiveSums:
    """Sums over the N answer tokens, each a scalar tensor.

    Attributes:
        loss: The objective; the only one that carries a gradient.
        ce: Cross-entropy with the gold answer.
        divergence: The objective's divergence term, unweighted.
        agreement: Tokens where student and teacher have the same likeliest entry.
        tokens: N.
    """

    loss: torch.Tensor
    ce: torch.Tensor
    divergence: torch.Tensor
    agreement: torch.Tensor
    tokens: torch.Tensor


def fitting_tokens(vocabulary: int, device: torch.device) -> int:
    """Answer tokens of a chunk: on a GPU, a power of two whose float32 temporaries need a 32nd of its memory.

    By the whole memory and not by what is free, so that a run is repeated with the same sums.
    """
    if device.type != "cuda":
        return _LEAST
    token = vocabulary * 4 * _TEMPORARIES
    fitting = torch.cuda.get_device_properties(device).total_memory // 32 // token
    return max(_LEAST, min(_MOST, 1 << max(fitting, 1).bit_length() - 1))


def fused_objective(
    hidden: torch.Tensor,
    head: Head,
    labels: torch.Tensor,
    teacher: HiddenTargets | TopK | None,
    objective: Objective,
    *,
    chunk_tokens: int = 128,
) -> ObjectiveSums:
    """The objective of N answer tokens, differentiable in `hidden` and in the head's weight and bias.

    Args:
        hidden: The student's last hidden states that predict the answer tokens, `[N, H]`.
        head: The student's vocabulary projection.
        labels: The answer tokens `[N]`.
        teacher: What to distil from, for the same N tokens; None: nothing, where `distill_weight` is 0.
        objective: What to compute.
        chunk_tokens: Tokens whose logits exist at once.
    """
    heads = [head, teacher.head] if isinstance(teacher, HiddenTargets) else [head]
    with gathered(*heads):
        if not torch.is_grad_enabled():
            # In there it would not be seen that a trained head's gradient is not wanted.
            head = head.detach()
        sums = _FusedObjective.apply(hidden, *head, labels, teacher, objective, chunk_tokens)
    return ObjectiveSums(*sums)


class _FusedObjective(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        scale: float,
        softcap: float | None,
        labels: torch.Tensor,
        teacher: HiddenTargets | TopK | None,
        objective: Objective,
        chunk_tokens: int,
    ) -> tuple[torch.Tensor, ...]:
        head = Head(weight, bias, scale, softcap)
        wanted = ctx.needs_input_grad[:3]
        grads = [
            torch.zeros_like(value, dtype=_precise(value.dtype)) if value is not None and want else None
            for value, want in zip((hidden, weight, bias), wanted, strict=True)
        ]
        dtype = _precise(hidden.dtype)
        sums = torch.zeros(len(fields(ObjectiveSums)), dtype=dtype, device=hidden.device)
        for start in range(0, len(labels), chunk_tokens):
            rows = slice(start, start + chunk_tokens)
            chunk_sums, grad_logits = _chunk(
                hidden[rows], head, labels[rows], _rows(teacher, rows), objective
            )
            sums += chunk_sums.to(dtype)
            _accumulate(grads, grad_logits, hidden[rows], weight, rows)
        # Summed over chunks in float32, whatever the weights are kept in.
        kept = [None if value is None else value.dtype for value in (hidden, weight, bias)]
        ctx.save_for_backward(
            *[grad.to(of) for grad, of in zip(grads, kept, strict=True) if grad is not None]
        )
        ctx.wanted = [grad is not None for grad in grads]
        values = sums.unbind()
        ctx.mark_non_differentiable(*values[1:])
        return values

    @staticmethod
    def backward(ctx: Any, grad_loss: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved = iter(ctx.saved_tensors)
        grads = [next(saved) if wanted else None for wanted in ctx.wanted]
        return (*(None if grad is None else grad * grad_loss.to(grad.dtype) for grad in grads), *[None] * 6)


def _chunk(
    hidden: torch.Tensor,
    head: Head,
    labels: torch.Tensor,
    teacher: HiddenTargets | TopK | None,
    objective: Objective,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The sums (see `ObjectiveSums`) of one chunk, and the gradient by the projection's output `[n, V]`."""
    student = head.logits(hidden)
    if teacher is None:
        ce, grad = losses.cross_entropy(student, labels)
        ce_sum, none = ce.sum(), torch.zeros_like(ce[0])
        loss, tokens = objective.ce_weight * ce_sum, torch.full_like(none, len(labels))
        return torch.stack([loss, ce_sum, none, none, tokens]), head.before_finish(
            grad.mul_(objective.ce_weight), student
        )
    targets = teacher if isinstance(teacher, TopK) else teacher.head.logits(teacher.hidden)
    teacher_top = _likeliest(targets)
    agreement = (student.argmax(-1) == teacher_top).sum()
    divergence, grad = _compared(objective, student, targets)
    # Cross-entropy comes after the divergence's temporaries, which are the most memory that there is.
    del targets
    ce, ce_grad = losses.cross_entropy(student, labels)
    if objective.distill_weight != 1:
        grad.mul_(objective.distill_weight)
    if objective.ce_weight:
        grad.add_(ce_grad, alpha=objective.ce_weight)
    ce_sum, divergence_sum = ce.sum(), divergence.sum()
    loss = objective.ce_weight * ce_sum + objective.distill_weight * divergence_sum
    tokens = torch.full_like(ce_sum, len(labels))
    sums = torch.stack([loss, ce_sum, divergence_sum, agreement.to(ce_sum.dtype), tokens])
    return sums, head.before_finish(grad, student)


def _compared(objective: Objective, student: torch.Tensor, teacher: torch.Tensor | TopK) -> ValueGrad:
    """The divergence; of a student whose vocabulary is padded further, over the teacher's entries."""
    if isinstance(teacher, TopK) or teacher.shape[-1] == student.shape[-1]:
        return objective.divergence(student, teacher)
    value, grad = objective.divergence(student[:, : teacher.shape[-1]], teacher)
    return ValueGrad(value, functional.pad(grad, (0, student.shape[-1] - teacher.shape[-1])))


def _likeliest(teacher: torch.Tensor | TopK) -> torch.Tensor:
    if isinstance(teacher, TopK):
        return teacher.indices.gather(-1, teacher.logits.argmax(-1, keepdim=True))[:, 0]
    return teacher.argmax(-1)


def _precise(dtype: torch.dtype) -> torch.dtype:
    """What sums are kept in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _rows(teacher: HiddenTargets | TopK | None, rows: slice) -> HiddenTargets | TopK | None:
    if teacher is None:
        return None
    if isinstance(teacher, TopK):
        return TopK(*(value[rows] for value in teacher))
    return HiddenTargets(teacher.hidden[rows], teacher.head)


def _accumulate(
    grads: list[torch.Tensor | None],
    grad_logits: torch.Tensor,
    hidden: torch.Tensor,
    weight: torch.Tensor,
    rows: slice,
) -> None:
    """Add one chunk's share to the gradients of hidden states, weight and bias, where they are wanted."""
    grad_hidden, grad_weight, grad_bias = grads
    projected = grad_logits.to(weight.dtype)
    if grad_hidden is not None:
        grad_hidden[rows] = (projected @ weight).to(grad_hidden.dtype)
    if grad_weight is not None and grad_weight.dtype == weight.dtype:
        grad_weight.addmm_(projected.T, hidden.to(weight.dtype))
    elif grad_weight is not None:
        grad_weight += projected.T @ hidden.to(weight.dtype)
    if grad_bias is not None:
        grad_bias += grad_logits.sum(0).to(grad_bias.dtype)
