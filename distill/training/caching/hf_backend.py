"""Targets from the live teacher of `distill.teachers.base`, run by transformers."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from trl import get_quantization_config

from distill.encoding.collator import DistillCollator
from distill.encoding.prefixes import prefixes_of
from distill.encoding.token_rows import Row
from distill.model.demo_model import resolve_model
from distill.model.output_head import Head, check_head
from distill.objectives.chunked import fitting_tokens
from distill.teachers.base import Teacher
from distill.teachers.cached.shard import RowTargets, index_dtype
from distill.teachers.models import load_other_teacher
from distill.training.run import Run
from lm_eval_tasks.errors import UserError


class HfBackend:
    """The teacher of a training run, without its student."""

    def __init__(self, run: Run) -> None:
        """Load the teacher.

        Raises:
            UserError: it cannot be loaded, or has another vocabulary than the student.
        """
        args = run.args
        model = _own_base(run) if args.teacher == "self" else _other(run)
        model.requires_grad_(False).eval()
        self._teacher = Teacher(
            model,
            check_head(model, entries=_student_entries(run)),
            prefixes=prefixes_of(run.data.train),
            shared_prefix=args.shared_prefix,
        )
        self._collator = DistillCollator.of(run.tokenizer)
        self._top_k = args.top_k
        self.batch_size = args.per_device_eval_batch_size
        self._device = model.get_input_embeddings().weight.device
        vocabulary = model.config.get_text_config().vocab_size
        self._chunk_tokens = args.loss_chunk_tokens or fitting_tokens(vocabulary, self._device)
        self._autocast = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None

    def score(self, rows: Sequence[Row]) -> list[RowTargets]:
        """The targets of `rows`, in their order."""
        batch = {name: value.to(self._device) for name, value in self._collator(rows).items()}
        # As the trainer does: the teacher runs under the training's mixed precision.
        with torch.autocast(self._device.type, self._autocast, enabled=self._autocast is not None):
            hidden, head = self._teacher.targets(batch)
            parts = [top_targets(chunk, head, self._top_k) for chunk in hidden.split(self._chunk_tokens)]
        whole = [torch.cat(each) for each in zip(*parts, strict=True)]
        lengths = [len(row["completion_ids"]) for row in rows]
        dtype = index_dtype(head.weight.shape[0])
        return [
            RowTargets(log_probs.numpy(), indices.numpy().astype(dtype), tail.numpy(), normalizer.numpy())
            for log_probs, indices, tail, normalizer in zip(
                *(each.split(lengths) for each in whole), strict=True
            )
        ]


@torch.no_grad()
def top_targets(hidden: torch.Tensor, head: Head, k: int) -> tuple[torch.Tensor, ...]:
    """Targets of N answer tokens, on the CPU.

    Args:
        hidden: The teacher's last hidden states `[N, H]`.
        head: Its vocabulary projection.
        k: Entries to keep; all of them if the vocabulary is smaller.

    Returns:
        Log-probabilities float16 `[N, K]`, falling; their entries `[N, K]`; the mass of all others and the
        normaliser, float32 `[N]`.
    """
    logits = head.logits(hidden)
    normalizer = logits.logsumexp(-1)
    values, indices = logits.topk(min(k, logits.shape[-1]), dim=-1)
    log_probs = values - normalizer[:, None]
    tail = (1 - log_probs.exp().sum(-1)).clamp(min=0)
    return log_probs.half().cpu(), indices.cpu(), tail.float().cpu(), normalizer.float().cpu()


def _own_base(run: Run) -> PreTrainedModel:
    """The student's base, loaded as its trainer would."""
    quantization = get_quantization_config(run.model_args)
    options = dict(run.args.model_init_kwargs)
    if quantization is not None:
        options["quantization_config"] = quantization
    device = run.args.device
    # One process spreads a large teacher over all its GPUs; several have one GPU each.
    options["device_map"] = "auto" if device.type == "cuda" and run.args.world_size == 1 else device
    name = str(run.model_args.model_name_or_path)
    try:
        return AutoModelForCausalLM.from_pretrained(name, **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"model_name_or_path: cannot load {name!r} ({reason}).") from None


def _other(run: Run) -> PreTrainedModel:
    options: dict[str, Any] = {"dtype": run.model_args.dtype} | dict(run.args.teacher_model_init_kwargs or {})
    return load_other_teacher(
        resolve_model(run.args.teacher_model_name_or_path),
        run.tokenizer,
        device=run.args.device,
        **options,
    )


def _student_entries(run: Run) -> int:
    name, revision = str(run.model_args.model_name_or_path), run.model_args.model_revision
    return int(AutoConfig.from_pretrained(name, revision=revision).get_text_config().vocab_size)
