"""The attention of GPUs, on the CPU: all rows of a line in one call, as right as row by row."""

from collections import Counter

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from distill.encoding.collator import DistillCollator
from distill.model import packed_attention, rows_attention
from distill.model.forward import answer_states, packs_rows
from distill.model.output_head import check_head
from distill.teachers.base import Teacher
from tests.distill.against_plain import student_deviation, teacher_deviation, token_rows
from tests.distill.architectures import ARCHITECTURES
from tests.distill.test_architectures import PLAIN_STUDENT

FAST = [each for each in ARCHITECTURES if each.fast]
LLAMA = next(each for each in ARCHITECTURES if each.name == "Llama")
NO_KERNEL = {
    "view", "_unsafe_view", "as_strided", "as_strided_", "empty", "empty_strided", "detach", "detach_",
    "alias", "resize_", "unbind", "lift_fresh", "set_", "to", "resolve_conj", "resolve_neg", "result_type",
    "real", "flatten",
}  # fmt: skip


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """As on a GPU, but for the compiler; how often FlexAttention and PyTorch's attention are called."""
    found = {"flex": 0, "sdpa": 0}

    def flex(*args, kernel_options, **kwargs):
        found["flex"] += 1
        return flex_attention(*args, **kwargs)

    def sdpa(*args, **kwargs):
        found["sdpa"] += 1
        return original(*args, **kwargs)

    original = rows_attention.scaled_dot_product_attention
    monkeypatch.setattr(rows_attention, "scaled_dot_product_attention", sdpa)
    monkeypatch.setattr(packed_attention, "_in_one_call", lambda device: True)
    monkeypatch.setattr(rows_attention, "_flex", lambda: flex)
    return found


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("architecture", FAST, ids=lambda each: each.name)
def test_the_teacher_reads_what_each_row_may_see(architecture, calls):
    error, shared = teacher_deviation(architecture)
    assert error < 1e-4
    assert shared
    assert (calls["flex"] > 0) == (architecture.name not in PLAIN_STUDENT)


@pytest.mark.parametrize("architecture", FAST, ids=lambda each: each.name)
def test_the_student_has_loss_and_gradients_of_plain_forward_passes(architecture):
    loss, gradients, packed = student_deviation(architecture, checkpointing=True)
    assert loss < 1e-4
    assert gradients < 1e-3
    assert packed == (architecture.name not in PLAIN_STUDENT)


def students_pass(count):
    model = LLAMA.build()
    head, batch = check_head(model), DistillCollator(0)(token_rows(count)[1])
    assert packs_rows(model, head)
    return lambda: answer_states(model, head, batch, packed=True)


def teachers_pass(count):
    model = LLAMA.build()
    prefix, rows = token_rows(count)
    teacher, batch = Teacher(model, check_head(model), prefixes=[prefix]), DistillCollator(0)(rows)
    teacher.targets(batch)
    return lambda: teacher.targets(batch)


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("make_pass", [students_pass, teachers_pass])
def test_neither_calls_nor_kernels_grow_with_the_batch(make_pass, calls):
    found = []
    for count in (8, 24):  # of fewer, PyTorch multiplies matrices otherwise
        run = make_pass(count)
        calls.update(flex=0, sdpa=0)
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            run()
        names = [each.name.removeprefix("aten::") for each in profiled.events() if not each.cpu_children]
        found.append((Counter(name for name in names if name not in NO_KERNEL), sum(calls.values())))
    assert found[0][0] - found[1][0] == found[1][0] - found[0][0] == Counter()
    assert found[0][1] == found[1][1]
    assert found[0][1] == 2  # one per layer


def test_rows_of_very_unequal_lengths_are_not_padded(calls, monkeypatch):
    monkeypatch.setattr(packed_attention, "LINE_TOKENS", 40)
    run = students_pass(4)
    calls["sdpa"] = 0
    run()
    assert calls["sdpa"] == 8


class Waits(TorchDispatchMode):
    """Operators whose result the host waits for; `tolist` is none."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).split(".")[1]
        boolean = name.startswith("index") and any(
            index is not None and index.dtype == torch.bool
            for index in (args[1] if isinstance(args[1], list | tuple) else ())
        )
        if boolean or name in ("_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2"):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("rows", [2, 8])
def test_a_micro_batch_waits_four_times_at_most(make_trainer, data, tokenizer, rows, monkeypatch):
    monkeypatch.undo()
    trainer = make_trainer(gradient_accumulation_steps=1)
    batch = DistillCollator.of(tokenizer)(data.train[:rows])
    trainer.create_optimizer_and_scheduler(num_training_steps=1)
    trainer.current_gradient_accumulation_steps = 1
    trainer.training_step(trainer.model, batch, torch.tensor(99))  # runs the prefix
    read = torch.Tensor.tolist
    lists = []
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: lists.append(tensor.shape) or read(tensor))
    with Waits() as waits:
        trainer.training_step(trainer.model, batch, torch.tensor(99))
    assert len(waits.seen) + len(lists) <= 4, (waits.seen, lists)
    assert len(lists) == 2
    with Waits() as waits:
        batch["labels"][batch["labels"] > 5].max().item()
    assert waits.seen == ["index", "_local_scalar_dense"]
