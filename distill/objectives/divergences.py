"""The objectives, as pure functions over answer tokens: value and gradient in one pass.

Notation: N answer tokens, V vocabulary entries, K top entries kept of the teacher. Logits are those that
predict the N tokens. Every function returns `(value [N], gradient [N, V])`, the gradient being that of the
value with respect to the student's logits, worked out by hand: `chunked` then needs no autograd graph over
the vocabulary. `tests/distill/test_losses.py` holds them against autograd on naive references.

Sources: generalised Jensen-Shannon divergence, GKD (arXiv 2306.13649); CE + lambda x top-K MSE on raw logits,
the published few-shot distillation recipe ("online_v1").
"""

from typing import NamedTuple

import torch


class ValueGrad(NamedTuple):
    """A per-token value `[N]` and its gradient with respect to the student's logits `[N, V]`."""

    value: torch.Tensor
    grad: torch.Tensor


class TopK(NamedTuple):
    """A teacher's distribution at its K likeliest entries.

    Attributes:
        indices: Vocabulary entries `[N, K]`, integer.
        logits: Raw logits at them `[N, K]`.
        log_normalizer: Log-sum-exp of all V raw logits `[N]`, so that `logits - log_normalizer` are
            log-probabilities.
    """

    indices: torch.Tensor
    logits: torch.Tensor
    log_normalizer: torch.Tensor

    @classmethod
    def of(cls, logits: torch.Tensor, k: int) -> "TopK":
        """The K largest of `logits` `[N, V]`; all of them if V is smaller."""
        values, indices = logits.topk(min(k, logits.shape[-1]), dim=-1, sorted=False)
        return cls(indices, values, logits.logsumexp(-1))


def cross_entropy(student_logits: torch.Tensor, labels: torch.Tensor) -> ValueGrad:
    """Negative log-likelihood of `labels` `[N]`."""
    log_probs = student_logits.log_softmax(-1)
    index = labels[:, None]
    value = -log_probs.gather(-1, index)
    grad = log_probs.exp_()
    grad.scatter_add_(-1, index, torch.full_like(value, -1.0))
    return ValueGrad(value[:, 0], grad)


def topk_mse(student_logits: torch.Tensor, teacher: TopK) -> ValueGrad:
    """Mean squared difference of raw logits at the teacher's top K.

    Not invariant to a shift of all logits: that is the published recipe.
    """
    difference = student_logits.gather(-1, teacher.indices) - teacher.logits
    k = difference.shape[-1]
    grad = torch.zeros_like(student_logits).scatter_(-1, teacher.indices, difference * (2 / k))
    return ValueGrad(difference.square().mean(-1), grad)


def topk_kl(student_logits: torch.Tensor, teacher: TopK) -> ValueGrad:
    """KL(teacher || student) over K + 1 outcomes: the teacher's top K, and everything else as one.

    The tail's mass is explicit, so the student cannot move probability out of the top K for free.
    """
    student_log_probs = student_logits.log_softmax(-1)
    student_top = student_log_probs.gather(-1, teacher.indices)
    teacher_top = teacher.logits - teacher.log_normalizer[:, None]
    top_probs = teacher_top.exp()
    student_tail = _tail_mass(student_top)
    # A teacher without tail (K = V) has no tail term; the clamp keeps its logarithm finite.
    teacher_tail = (1 - top_probs.sum(-1)).clamp(min=0)
    tail_log_ratio = teacher_tail.clamp(min=torch.finfo(top_probs.dtype).tiny).log() - student_tail.log()
    value = (top_probs * (teacher_top - student_top)).sum(-1) + teacher_tail * tail_log_ratio
    grad = student_log_probs.exp_()
    top_grad = grad.gather(-1, teacher.indices) - top_probs
    grad.mul_((1 - teacher_tail / student_tail)[:, None]).scatter_(-1, teacher.indices, top_grad)
    return ValueGrad(value, grad)


def generalized_jsd(
    student_logits: torch.Tensor, teacher_logits: torch.Tensor, *, beta: float = 0.0, temperature: float = 1.0
) -> ValueGrad:
    """Generalised Jensen-Shannon divergence of the full distributions.

    `beta * KL(teacher || m) + (1 - beta) * KL(student || m)`, `m = beta * teacher + (1 - beta) * student`.

    Args:
        student_logits: `[N, V]`.
        teacher_logits: `[N, V]`.
        beta: In [0, 1]. By convention 0 is the forward KL(teacher || student), 1 the reverse.
        temperature: Both logits are divided by it; the value is not rescaled.
    """
    student, teacher = (_tempered(logits, temperature) for logits in (student_logits, teacher_logits))
    if beta == 0:
        probs = teacher.exp()
        value = _dot(probs, teacher.sub_(student))
        return ValueGrad(value, student.exp_().sub_(probs).div_(temperature))
    probs = student.exp()
    if beta == 1:
        log_ratio = student.sub_(teacher)
        value = _dot(probs, log_ratio)
        return ValueGrad(value, log_ratio.sub_(value[:, None]).mul_(probs).div_(temperature))
    teacher_probs = teacher.exp()
    # Where both underflow, the clamp keeps 0 * log(0) from becoming 0 * infinity.
    mixture = (beta * teacher_probs).add_(probs, alpha=1 - beta).clamp_(min=torch.finfo(probs.dtype).tiny)
    log_mixture = mixture.log_()
    log_ratio = student.sub_(log_mixture)
    student_kl = _dot(probs, log_ratio)
    value = beta * _dot(teacher_probs, teacher.sub_(log_mixture)) + (1 - beta) * student_kl
    grad = log_ratio.sub_(student_kl[:, None]).mul_(probs).mul_((1 - beta) / temperature)
    return ValueGrad(value, grad)


def _tempered(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Log-probabilities at `temperature`; at 1 without another pass over the vocabulary."""
    return (logits if temperature == 1 else logits / temperature).log_softmax(-1)


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Row-wise inner product, without a temporary of the operands' size."""
    with torch.autocast(a.device.type, enabled=False):  # which would round the operands to half precision
        return torch.bmm(a[:, None, :], b[:, :, None])[:, 0, 0]


def _tail_mass(log_probs: torch.Tensor) -> torch.Tensor:
    """`1 - sum(exp(log_probs))` along the last dimension, kept above zero for its logarithm."""
    return (1 - log_probs.exp().sum(-1)).clamp(min=torch.finfo(log_probs.dtype).eps)
