"""TRL's and Liger's kernels against ours."""

import sys
from importlib.util import find_spec

import pytest
import torch

from distill.model.output_head import Head
from distill.objectives import backends as kernels
from distill.objectives.backends import objective_sums
from distill.objectives.chunked import HiddenTargets, Objective
from distill.objectives.divergences import TopK
from distill.training.config import ICLDistillConfig
from lm_eval_tasks.errors import UserError

N, H, V = 23, 8, 90
needs_liger = pytest.mark.skipif(find_spec("liger_kernel") is None, reason="liger-kernel is not installed")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="Triton kernels run on CUDA only")
ON = [pytest.param("cpu"), pytest.param("cuda", marks=needs_cuda)]


def problem(dtype, device):
    generator = torch.Generator().manual_seed(3)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)

    hidden, weight, bias = (random(*shape).requires_grad_() for shape in ((N, H), (V, H), (V,)))
    teacher = HiddenTargets(random(N, H), Head(random(V, H), random(V)))
    return hidden, Head(weight, bias), torch.randint(V, (N,), generator=generator).to(device), teacher


def run(kernel, objective, dtype, device):
    hidden, head, labels, teacher = problem(dtype, device)
    sums = objective_sums(hidden, head, labels, teacher, objective, kernel=kernel, chunk_tokens=7)
    grads = torch.autograd.grad(sums.loss / 5, [hidden, *head[:2]])
    logged = [sums.ce, sums.divergence, sums.agreement, sums.tokens]
    assert not any(value.requires_grad for value in logged)
    return [value.double() for value in (sums.loss.detach(), *logged, *grads)]


@pytest.mark.parametrize("device", ON)
@pytest.mark.parametrize("kernel", ["trl", pytest.param("liger", marks=needs_liger)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ce_weight", [0.0, 0.7])
@pytest.mark.parametrize("temperature", [1.0, 1.7])
@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 1.0])
def test_value_and_gradient_are_ours(kernel, beta, temperature, ce_weight, dtype, device):
    objective = Objective(
        name="jsd", ce_weight=ce_weight, distill_weight=0.4, beta=beta, temperature=temperature
    )
    # Theirs is float32 throughout; ours in float64 is the reference.
    expected = run("fused", objective, torch.float64, device)
    for found, value in zip(run(kernel, objective, dtype, device), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-4, atol=2e-5)


def test_they_need_the_whole_distribution():
    hidden, head, labels, teacher = problem(torch.float32, "cpu")
    top = TopK.of(teacher.head.logits(teacher.hidden), 5)
    with pytest.raises(TypeError, match="trl needs the teacher's whole distribution"):
        objective_sums(hidden, head, labels, top, Objective(name="jsd"), kernel="trl")


def test_the_config_refuses_what_a_kernel_cannot_do(tmp_path, monkeypatch):
    def config(**settings):
        return ICLDistillConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **settings)

    assert config(loss_kernel="trl", objective="jsd").loss_kernel == "trl"
    with pytest.raises(UserError, match=r"loss_kernel: 'cuda' .*fused, trl, liger"):
        config(loss_kernel="cuda")
    with pytest.raises(UserError, match=r"'trl'.*jsd only, and objective is 'topk_mse'"):
        config(loss_kernel="trl", objective="topk_mse")
    monkeypatch.setitem(sys.modules, "liger_kernel", None)
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install liger-kernel"):
        config(loss_kernel="liger", objective="jsd")


def test_the_trainer_uses_it(make_trainer, monkeypatch):
    calls, apply = [], kernels.ChunkedDivergenceFunction.apply
    monkeypatch.setattr(
        kernels.ChunkedDivergenceFunction, "apply", lambda *args: calls.append(1) or apply(*args)
    )

    def logs(kernel):
        trainer = make_trainer(objective="jsd", beta=0.3, loss_kernel=kernel)
        trainer.train()
        return trainer.state.log_history[0]

    ours = logs("fused")
    assert not calls
    theirs = logs("trl")
    assert calls
    for name in ("loss", "ce", "divergence", "top1_agreement", "grad_norm"):
        assert theirs[name] == pytest.approx(ours[name], rel=1e-4), name
