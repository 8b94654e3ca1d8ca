"""Teacher and student of any architecture against plain forward passes, row by row, in eager attention."""

from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional

from distill.encoding.collator import IGNORED, DistillCollator
from distill.model.forward import answer_states, packs_rows
from distill.model.output_head import check_head, head_of
from distill.objectives.chunked import HiddenTargets, Objective, fused_objective
from distill.teachers.base import Teacher
from tests.distill.architectures import VOCABULARY, Architecture

OBJECTIVE = Objective(name="jsd", ce_weight=1.0, distill_weight=0.5)
AUX = 0.1


def token_rows(count: int = 4) -> tuple[list[int], list[dict[str, Any]]]:
    """A prefix of 60 tokens, and rows whose teacher prompts begin with all, a part or nothing of it."""
    generator = torch.Generator().manual_seed(0)

    def ids(length: int) -> list[int]:
        return torch.randint(3, 90, (length,), generator=generator).tolist()

    prefix = ids(60)
    rows = []
    for number in range(count):
        begin = (prefix, prefix[:37], prefix, [])[number % 4]
        rows.append(
            {
                "id": str(number),
                "prompt_ids": ids(5 + 9 * (number % 3)),
                "teacher_prompt_ids": begin + ids(3 + 8 * (number % 2)),
                "completion_ids": ids(4 + 13 * (number % 2)),
            }
        )
    return prefix, rows


def lora(model: Any, dropout: float = 0.0) -> Any:
    """`model` with an adapter of random weights on all its projections, the same each time."""
    torch.manual_seed(1)
    config = LoraConfig(
        r=4,
        lora_dropout=dropout,
        target_modules="all-linear",
        exclude_modules=".*(out_proj|conv1d|router)",
        init_lora_weights=False,
    )
    return get_peft_model(model, config)


def collated(rows: list[dict[str, Any]], *, left: bool = False) -> dict[str, torch.Tensor]:
    """The rows as a batch, padded on the right as by the collator, or moved to the right end."""
    batch = DistillCollator(0)(rows)
    for prefix in ("", "teacher_") if left else ():
        pads = (batch[f"{prefix}attention_mask"] == 0).sum(-1).tolist()
        for name in ("input_ids", "attention_mask", "labels"):
            moved = [row.roll(by) for row, by in zip(batch[f"{prefix}{name}"], pads, strict=True)]
            batch[f"{prefix}{name}"] = torch.stack(moved)
    return batch


def plain_logits(model: Any, rows: list[dict[str, Any]], prompts: str) -> torch.Tensor:
    """Logits `[N, V]` that predict the rows' answers, each row by itself."""
    found = []
    for row in rows:
        ids = torch.tensor([row[prompts] + row["completion_ids"]])
        found.append(model(input_ids=ids, use_cache=False).logits[0, len(row[prompts]) - 1 : -1])
    return torch.cat(found)


def teacher_deviation(architecture: Architecture, *, left: bool = False) -> tuple[float, bool]:
    """Largest deviation of the teacher's log-probabilities, and whether it shares the prefix."""
    prefix, rows = token_rows()
    with torch.no_grad():
        expected = plain_logits(architecture.build("eager"), rows, "teacher_prompt_ids").log_softmax(-1)
        model = architecture.build()
        teacher = Teacher(model, check_head(model), prefixes=[prefix])
        hidden, head = teacher.targets(collated(rows, left=left))
        error = (head.logits(hidden).log_softmax(-1) - expected).abs().max()
    return float(error), teacher.shares_prefix


def student_deviation(
    architecture: Architecture,
    *,
    adapter: bool = False,
    checkpointing: bool = False,
    count: int = 4,
    left: bool = False,
) -> tuple[float, float, bool]:
    """Relative deviations of the student's loss and of its gradients; and whether its rows are packed."""
    _, rows = token_rows(count)
    generator = torch.Generator().manual_seed(2)
    tokens = sum(len(row["completion_ids"]) for row in rows)
    teacher_hidden = torch.randn(tokens, 32, generator=generator)
    teacher_weight = torch.randn(VOCABULARY, 32, generator=generator)
    batch = collated(rows, left=left)
    labels = batch["labels"][batch["labels"] != IGNORED]

    reference = _prepared(architecture.build("eager"), adapter)
    routed = _routed(reference)
    logits = plain_logits(reference, rows, "prompt_ids")
    told = (teacher_hidden @ teacher_weight.T).log_softmax(-1)
    divergence = functional.kl_div(logits.log_softmax(-1), told, reduction="sum", log_target=True)
    expected = functional.cross_entropy(logits, labels, reduction="sum") + 0.5 * divergence
    if routed:
        padded = reference(batch["input_ids"], attention_mask=batch["attention_mask"], **routed)
        routed = routed if padded.get("aux_loss") is not None else {}
    if routed:
        expected = expected + AUX * padded.aux_loss
    expected.backward()

    model = architecture.build()
    head = check_head(model)
    packed = packs_rows(model, head)
    model = _prepared(model, adapter).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    states = answer_states(model, head, batch, packed=packed, **routed)
    targets = HiddenTargets(teacher_hidden, type(head_of(head))(teacher_weight))
    loss = fused_objective(states.hidden, head_of(head), labels, targets, OBJECTIVE, chunk_tokens=7).loss
    if routed:
        loss = loss + AUX * states.aux_loss
    loss.backward()
    return float(((loss - expected).abs() / expected).detach()), gradient_deviation(model, reference), packed


def _prepared(model: Any, adapter: bool) -> Any:
    return lora(model) if adapter else model


def _routed(model: Any) -> dict[str, bool]:
    """What a mixture of experts is called with for its auxiliary loss, as TRL's SFTTrainer does."""
    asked = hasattr(model.config.get_text_config(), "output_router_logits")
    return {"output_router_logits": True} if asked else {}


def gradient_deviation(model: Any, reference: Any) -> float:
    """Largest difference of two models' gradients, as a share of the largest gradient."""
    found, expected = (
        {name: p.grad for name, p in each.named_parameters() if p.grad is not None}
        for each in (model, reference)
    )
    assert set(found) == set(expected)
    largest = max(grad.abs().max() for grad in expected.values())
    return float(max((found[name] - grad).abs().max() for name, grad in expected.items()) / largest)
