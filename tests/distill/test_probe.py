"""Short cuts are tried out before they are taken; and what they give under dropout and autocast."""

import copy

import pytest
import torch

from distill.encoding.collator import IGNORED, DistillCollator
from distill.model import packed_attention
from distill.model.forward import answer_states, packs_rows
from distill.model.output_head import check_head
from distill.model.sampling import sampling_config, seeded
from distill.objectives.divergences import generalized_jsd
from distill.teachers.base import Teacher
from tests.distill.against_plain import gradient_deviation, lora, token_rows
from tests.distill.architectures import ARCHITECTURES, WINDOW

BY_NAME = {each.name: each for each in ARCHITECTURES}


def test_a_window_that_is_overlooked_is_noticed(monkeypatch, caplog):
    def blind(line, seen):
        return original(line, packed_attention.causal_mask_function)

    original = packed_attention.Line.mask
    monkeypatch.setattr(packed_attention.Line, "mask", blind)
    model = BY_NAME["Mistral"].build()
    head = check_head(model)
    assert not packs_rows(model, head)
    assert "rows laid end to end, because that gives other numbers; the plain way is taken" in caplog.text
    assert not Teacher(model, head, prefixes=[[1, 2, 3]]).shares_prefix
    # Rows that no window cuts are right all the same: no more is tried out than what will come.
    assert packs_rows(model, head, longest=WINDOW)


def test_what_fails_is_not_taken(monkeypatch, caplog):
    def broken(*_):
        raise IndexError("no such layer")

    monkeypatch.setattr(packed_attention.Line, "mask", broken)
    model = BY_NAME["Llama"].build()
    assert not Teacher(model, check_head(model), prefixes=[[1, 2, 3]]).shares_prefix
    assert "(IndexError: no such layer); the plain way is taken" in caplog.text


def test_attention_that_takes_no_mask_falls_back(caplog):
    packed_attention._say.cache_clear()
    model = BY_NAME["Llama"].build()
    head = check_head(model)
    model.config._attn_implementation_internal = "flash_attention_2"
    assert not Teacher(model, head).shares_prefix
    assert not packs_rows(model, head)
    assert caplog.text.count("'flash_attention_2' takes no mask of ours") == 1


@pytest.mark.parametrize("name", ["Mistral", "Llama 4 (chunked)", "Mamba 2", "Llama"])
def test_answers_are_sampled_as_without_a_shared_prefix(name):
    prefix, rows = token_rows()
    prompts = [row["teacher_prompt_ids"] for row in rows if row["teacher_prompt_ids"][:60] == prefix]
    config = sampling_config(max_new_tokens=6, temperature=1.0, stop_ids=[2], pad_token_id=0)
    answers = []
    for shared in (True, False):
        model = BY_NAME[name].build()
        teacher = Teacher(model, check_head(model), prefixes=[prefix], shared_prefix=shared)
        with seeded(0, torch.device("cpu")):
            answers.append(teacher.sampled(prompts, config))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("name", ["Llama", "Mistral", "Starcoder2", "Gemma 3 (text)"])
def test_dropout_at_equal_layout_and_seed(name, autocast):
    """transformers' own packed rows, recognised by their positions, against ours."""
    _, rows = token_rows()
    batch = DistillCollator(0)(rows)
    ours = BY_NAME[name].build()
    head = check_head(ours)
    theirs = lora(copy.deepcopy(ours), dropout=0.3).train()
    assert packs_rows(ours, head)
    ours = lora(ours, dropout=0.3).train()
    line = [row["prompt_ids"] + row["completion_ids"] for row in rows]
    ids = torch.tensor([[token for row in line for token in row]])
    positions = torch.cat([torch.arange(len(row)) for row in line])[None]
    wanted = torch.cat(
        [
            torch.arange(len(row["prompt_ids"]) - 1, len(ids) - 1) + begin
            for row, ids, begin in _begins(rows, line)
        ]
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        with seeded(3, torch.device("cpu")):
            expected = (
                theirs(input_ids=ids, position_ids=positions, use_cache=False).logits[0, wanted].float()
            )
        with seeded(3, torch.device("cpu")):
            states = answer_states(ours, head, batch, packed=True)
        found = torch.nn.functional.linear(states.hidden, head.module.weight).float()
    assert len(found) == int((batch["labels"] != IGNORED).sum())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0.1 if autocast else 1e-4)
    for logits in (found, expected):
        logits.log_softmax(-1)[:, 5].sum().backward()
    assert gradient_deviation(ours, theirs) < (5e-2 if autocast else 1e-3)


def _begins(rows, line):
    begin = 0
    for row, ids in zip(rows, line, strict=True):
        yield row, ids, begin
        begin += len(ids)


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_autocast_does_not_reach_the_divergence(beta):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(20, 300, generator=generator) for _ in range(2))
    expected = generalized_jsd(student, teacher, beta=beta)
    with torch.autocast("cpu", torch.bfloat16):
        found = generalized_jsd(student, teacher, beta=beta)
    assert torch.equal(found.value, expected.value)
    assert torch.equal(found.grad, expected.grad)
    assert found.grad.sum(-1).abs().max() < 1e-5
