from types import SimpleNamespace

import pytest
import torch

from distill.model.output_head import Head
from distill.objectives import chunked
from distill.objectives.chunked import OBJECTIVES, HiddenTargets, Objective, fused_objective
from distill.objectives.divergences import TopK

N, H, V = 11, 6, 50


@pytest.fixture(params=[(), (0.5, 2.0)], ids=["plain", "scaled and capped"])
def problem(request):
    generator = torch.Generator().manual_seed(1)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    hidden, weight, bias = (random(*shape).requires_grad_() for shape in ((N, H), (V, H), (V,)))
    teacher = HiddenTargets(random(N, H), Head(random(V, H), random(V), *request.param))
    labels = torch.randint(V, (N,), generator=generator)
    return hidden, Head(weight, bias, *request.param), labels, teacher


def naive_loss(hidden, head, labels, teacher, objective):
    """The whole logits at once, by autograd; only the divergence's value comes from the library."""
    student, targets = head.logits(hidden), teacher.head.logits(teacher.hidden)
    ce = torch.nn.functional.cross_entropy(student, labels, reduction="sum")
    if objective.name == "jsd":
        p, q = ((x / objective.temperature).softmax(-1) for x in (student, targets))
        m = objective.beta * q + (1 - objective.beta) * p
        divergence = (objective.beta * q * (q / m).log() + (1 - objective.beta) * p * (p / m).log()).sum()
    else:
        top = targets.topk(objective.top_k, dim=-1)
        if objective.name == "topk_mse":
            divergence = (student.gather(-1, top.indices) - top.values).square().mean(-1).sum()
        else:
            p = student.softmax(-1).gather(-1, top.indices)
            q = targets.softmax(-1).gather(-1, top.indices)
            p, q = (torch.cat([x, 1 - x.sum(-1, keepdim=True)], -1) for x in (p, q))
            divergence = (q * (q / p).log()).sum()
    return objective.ce_weight * ce + objective.distill_weight * divergence


@pytest.mark.parametrize("chunk_tokens", [1, 4, 100])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_value_and_gradients_equal_the_naive_ones(problem, name, chunk_tokens):
    hidden, head, labels, teacher = problem
    objective = Objective(name=name, ce_weight=0.7, distill_weight=0.3, top_k=5, beta=0.4, temperature=1.5)
    sums = fused_objective(hidden, head, labels, teacher, objective, chunk_tokens=chunk_tokens)
    naive = naive_loss(hidden, head, labels, teacher, objective)
    torch.testing.assert_close(sums.loss, naive)
    ours = torch.autograd.grad(sums.loss / 3, [hidden, *head[:2]])
    for grad, expected in zip(ours, torch.autograd.grad(naive / 3, [hidden, *head[:2]]), strict=True):
        torch.testing.assert_close(grad, expected, rtol=1e-8, atol=1e-10)


def test_a_frozen_head_gets_no_gradient(problem):
    hidden, head, labels, teacher = problem
    frozen = Head(head.weight.detach(), head.bias.detach())
    fused_objective(hidden, frozen, labels, teacher, Objective(top_k=5)).loss.backward()
    assert hidden.grad is not None
    assert frozen.weight.grad is None


def test_the_counts_are_plain(problem):
    hidden, head, labels, teacher = problem
    sums = fused_objective(hidden, head, labels, teacher, Objective(top_k=5), chunk_tokens=3)
    student, targets = head.logits(hidden), teacher.head.logits(teacher.hidden)
    assert sums.tokens == N
    assert sums.agreement == (student.argmax(-1) == targets.argmax(-1)).sum()
    torch.testing.assert_close(sums.ce, torch.nn.functional.cross_entropy(student, labels, reduction="sum"))
    assert not sums.ce.requires_grad


def test_a_teachers_top_k_serves_instead_of_its_logits(problem):
    hidden, head, labels, teacher = problem
    top = TopK.of(teacher.head.logits(teacher.hidden), 5)
    for name in ("topk_mse", "topk_kl"):
        objective = Objective(name=name, top_k=5)
        whole = fused_objective(hidden, head, labels, teacher, objective, chunk_tokens=4)
        cached = fused_objective(hidden, head, labels, top, objective, chunk_tokens=4)
        torch.testing.assert_close(whole.loss, cached.loss)
    with pytest.raises(TypeError, match="whole distribution"):
        fused_objective(hidden, head, labels, top, Objective(name="jsd"))


def test_without_a_teacher_there_is_cross_entropy(problem):
    hidden, head, labels, _ = problem
    sums = fused_objective(
        hidden, head, labels, None, Objective(ce_weight=0.7, distill_weight=0), chunk_tokens=4
    )
    naive = 0.7 * torch.nn.functional.cross_entropy(head.logits(hidden), labels, reduction="sum")
    torch.testing.assert_close(sums.loss, naive)
    ours = torch.autograd.grad(sums.loss, [hidden, *head[:2]])
    for grad, expected in zip(ours, torch.autograd.grad(naive, [hidden, *head[:2]]), strict=True):
        torch.testing.assert_close(grad, expected)


def test_a_low_precision_heads_gradient_is_summed_in_float32():
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(512, 64, generator=generator).bfloat16()
    head = Head(torch.randn(V, 64, generator=generator).bfloat16().requires_grad_())
    labels = torch.randint(V, (512,), generator=generator)
    one, many = (
        torch.autograd.grad(
            fused_objective(
                hidden, head, labels, None, Objective(distill_weight=0), chunk_tokens=tokens
            ).loss,
            head.weight,
        )[0].float()
        for tokens in (512, 4)
    )
    # Each of the 128 sums rounded to bfloat16, the error would be several times as large.
    assert (one - many).norm() < 0.004 * one.norm()


def test_low_precision_heads_are_summed_in_float32():
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(N, H, generator=generator).bfloat16().requires_grad_()
    head = Head(torch.randn(V, H, generator=generator).bfloat16())
    labels = torch.randint(V, (N,), generator=generator)
    sums = fused_objective(hidden, head, labels, HiddenTargets(hidden.detach(), head), Objective(top_k=5))
    sums.loss.backward()
    assert sums.loss.dtype == torch.float32
    assert hidden.grad.dtype == torch.bfloat16
    logits = (hidden.detach() @ head.weight.T).float()
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    torch.testing.assert_close(sums.ce, expected)


def test_evaluation_computes_no_gradient_of_a_trained_head(problem, monkeypatch):
    hidden, head, labels, teacher = problem
    wanted = []
    original = chunked._accumulate

    def accumulate(grads, *args):
        wanted.append([grad is not None for grad in grads])
        return original(grads, *args)

    monkeypatch.setattr(chunked, "_accumulate", accumulate)
    trained = fused_objective(hidden, head, labels, teacher, Objective(top_k=5)).loss
    with torch.no_grad():
        found = fused_objective(hidden.detach(), head, labels, teacher, Objective(top_k=5)).loss
    assert torch.equal(found, trained)
    assert wanted == [[True] * 3, [False] * 3]


def test_a_chunk_fits_the_cards_memory(monkeypatch):
    cards = {"memory": 0}
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=cards["memory"])
    )
    assert chunked.fitting_tokens(151_936, torch.device("cpu")) == 128
    for gib, vocabulary, expected in (
        (80, 151_936, 512),
        (16, 151_936, 128),
        (80, 32_000, 2048),
        (80, 600, 8192),
    ):
        cards["memory"] = gib * 2**30
        assert chunked.fitting_tokens(vocabulary, torch.device("cuda")) == expected
