import pytest
import torch

from distill.objectives import divergences as losses
from distill.objectives.divergences import TopK

N, V, K = 5, 40, 7


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, N, V, generator=generator, dtype=torch.float64) * 3
    return student.requires_grad_(), teacher


def check(result, naive, student):
    """`result` against autograd on `naive`, a per-token value."""
    (grad,) = torch.autograd.grad(naive.sum(), student)
    torch.testing.assert_close(result.value, naive.detach(), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(result.grad, grad, rtol=1e-8, atol=1e-11)


def test_cross_entropy(logits):
    student, _ = logits
    labels = torch.tensor([0, 3, 39, 8, 8])
    naive = torch.stack(
        [
            -torch.log(torch.exp(row)[label] / torch.exp(row).sum())
            for row, label in zip(student, labels, strict=True)
        ]
    )
    check(losses.cross_entropy(student.detach(), labels), naive, student)


def test_topk_mse(logits):
    student, teacher = logits
    rows = []
    for s, t in zip(student, teacher, strict=True):
        top = torch.argsort(t, descending=True)[:K]
        rows.append(sum((s[i] - t[i]) ** 2 for i in top) / K)
    check(losses.topk_mse(student.detach(), TopK.of(teacher, K)), torch.stack(rows), student)


@pytest.mark.parametrize("k", [1, K, V])
def test_topk_kl_counts_the_tail_as_one_outcome(logits, k):
    student, teacher = logits
    rows = []
    for s, t in zip(student.softmax(-1), teacher.softmax(-1), strict=True):
        top = torch.argsort(t, descending=True)[:k]
        value = sum(t[i] * torch.log(t[i] / s[i]) for i in top)
        if k < V:
            t_tail, s_tail = 1 - t[top].sum(), 1 - s[top].sum()
            value = value + t_tail * torch.log(t_tail / s_tail)
        rows.append(value)
    result = losses.topk_kl(student.detach(), TopK.of(teacher, k))
    if k == V:  # without a tail the rounding of 1 - sum remains in it
        torch.testing.assert_close(result.value, torch.stack(rows).detach(), atol=1e-8, rtol=1e-6)
    else:
        check(result, torch.stack(rows), student)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 1.0])
def test_generalized_jsd(logits, beta, temperature):
    student, teacher = logits
    p = (student / temperature).softmax(-1)
    q = (teacher / temperature).softmax(-1)
    if beta == 0:
        naive = (q * torch.log(q / p)).sum(-1)
    elif beta == 1:
        naive = (p * torch.log(p / q)).sum(-1)
    else:
        m = beta * q + (1 - beta) * p
        naive = beta * (q * torch.log(q / m)).sum(-1) + (1 - beta) * (p * torch.log(p / m)).sum(-1)
    result = losses.generalized_jsd(student.detach(), teacher, beta=beta, temperature=temperature)
    check(result, naive, student)


def test_jsd_is_trls(logits):
    from trl.experimental.gkd import GKDTrainer

    student, teacher = logits
    for beta in (0.0, 0.5, 1.0):
        theirs = GKDTrainer.generalized_jsd_loss(
            student[None], teacher[None], beta=beta, temperature=2.0, reduction="sum"
        )
        ours = losses.generalized_jsd(student.detach(), teacher, beta=beta, temperature=2.0).value.sum()
        torch.testing.assert_close(ours, theirs.detach())


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_equal_distributions_cost_nothing(logits, beta):
    _, teacher = logits
    shifted = teacher + 5
    for result in (
        losses.generalized_jsd(shifted, teacher, beta=beta),
        losses.topk_kl(shifted, TopK.of(teacher, K)),
        losses.topk_mse(teacher.clone(), TopK.of(teacher, K)),
    ):
        assert result.value.abs().max() < 1e-12
        assert result.grad.abs().max() < 1e-12


def test_inputs_are_left_alone(logits):
    student, teacher = (value.detach() for value in logits)
    before = student.clone(), teacher.clone()
    for beta in (0.0, 0.5, 1.0):
        losses.generalized_jsd(student, teacher, beta=beta)
    losses.topk_kl(student, TopK.of(teacher, K))
    losses.cross_entropy(student, torch.zeros(N, dtype=torch.long))
    assert torch.equal(student, before[0])
    assert torch.equal(teacher, before[1])


def test_extreme_logits_stay_finite():
    student = torch.tensor([[1e4, -1e4, 0.0]])
    teacher = torch.tensor([[-1e4, 1e4, 0.0]])
    results = [losses.generalized_jsd(student, teacher, beta=beta) for beta in (0.0, 0.5, 1.0)]
    results.append(losses.topk_kl(student, TopK.of(teacher, 2)))
    for result in results:
        assert torch.isfinite(result.value).all()
        assert torch.isfinite(result.grad).all()
