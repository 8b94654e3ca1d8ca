"""Which model teaches: the student's own base, its moving average, or another model."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
)

from distill.model.modes import adapter_off
from distill.model.output_head import OutputHead, check_head
from distill.model.packed_attention import ROWS_ATTENTION
from distill.model.sharding import broadcast_weights
from distill.teachers.base import Teacher
from lm_eval_tasks.errors import UserError

EMA_FILE = "ema.safetensors"


def self_teacher(
    student: PreTrainedModel | PeftModel,
    head: OutputHead,
    *,
    prefixes: Sequence[Sequence[int]],
    device: torch.device | None = None,
    shared_prefix: bool = True,
    longest: int | None = None,
) -> Teacher:
    """The student's own base model.

    With PEFT that is the student itself, its adapter switched off: no second copy of the weights. Without, it
    is a frozen copy made now.

    Args:
        student: The unwrapped student, before training.
        head: Its vocabulary projection.
        prefixes: As in `Teacher`.
        device: Where a copy is put; default: where the student is.
        shared_prefix: As in `Teacher`.
        longest: As in `Teacher`.
    """
    sharing: dict[str, Any] = {"prefixes": prefixes, "shared_prefix": shared_prefix, "longest": longest}
    if isinstance(student, PeftModel):
        return Teacher(student, head, active=adapter_off(student), **sharing)
    # Not deepcopy: TRL rebinds the student's forward, and a copy's would still run the student.
    frozen = AutoModelForCausalLM.from_config(
        student.config, dtype=student.dtype, attn_implementation=student.config._attn_implementation
    )
    frozen.load_state_dict(student.state_dict())
    return _frozen(frozen.to(device or student.device), sharing)


def model_teacher(
    name: str,
    student: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    prefixes: Sequence[Sequence[int]],
    device: torch.device | None = None,
    shared_prefix: bool = True,
    longest: int | None = None,
    init_kwargs: Mapping[str, Any] | None = None,
) -> Teacher:
    """Another model with the student's vocabulary.

    Args:
        name: A hub name or a folder.
        student: The unwrapped student.
        tokenizer: The student's.
        prefixes: As in `Teacher`.
        device: Where it is put; default: where the student is.
        shared_prefix: As in `Teacher`.
        longest: As in `Teacher`.
        init_kwargs: As in `load_other_teacher`; default: the student's dtype and attention.

    Raises:
        UserError: the model cannot be loaded, or its vocabulary is another.
    """
    attention = student.config.get_text_config()._attn_implementation
    options = {
        "dtype": student.dtype,
        "attn_implementation": "sdpa" if attention == ROWS_ATTENTION else attention,
    } | dict(init_kwargs or {})
    model = load_other_teacher(name, tokenizer, device=device or student.device, **options)
    sharing = {"prefixes": prefixes, "shared_prefix": shared_prefix, "longest": longest}
    return _frozen(model, sharing, entries=student.get_output_embeddings().weight.shape[0])


def load_other_teacher(
    name: str, tokenizer: PreTrainedTokenizerBase, *, device: torch.device, **init_kwargs: Any
) -> PreTrainedModel:
    """A model with the student's vocabulary; how far it is padded does not matter.

    Args:
        name: A hub name or a folder.
        tokenizer: The student's.
        device: Where it is put, unless `device_map` says so.
        init_kwargs: Passed to `from_pretrained`.

    Raises:
        UserError: the model cannot be loaded, or its vocabulary is another.
    """
    quantized = init_kwargs.get("quantization_config") is not None
    if quantized:  # which cannot be moved afterwards
        init_kwargs.setdefault("device_map", device)
    try:
        theirs = AutoTokenizer.from_pretrained(name, revision=init_kwargs.get("revision"))
        model = AutoModelForCausalLM.from_pretrained(name, **init_kwargs)
    except (OSError, ValueError, TypeError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"teacher_model_name_or_path: cannot load {name!r} ({reason}).") from None
    if theirs.get_vocab() != tokenizer.get_vocab():
        raise UserError(
            f"teacher_model_name_or_path: {name!r} has another vocabulary ({len(theirs)} tokens) than the "
            f"student {tokenizer.name_or_path!r} ({len(tokenizer)} tokens), so their predictions cannot be "
            "compared. Choose a teacher of the student's family."
        )
    return model if "device_map" in init_kwargs else model.to(device)


def _frozen(model: PreTrainedModel, sharing: dict[str, Any], *, entries: int | None = None) -> Teacher:
    broadcast_weights(model)
    model.requires_grad_(False).eval()
    return Teacher(model, check_head(model, entries=entries), **sharing)


class MovingAverage(TrainerCallback):
    """A moving average of the student's trained weights, as in SDFT (arXiv 2601.19897).

    Only the trained weights are kept twice; with LoRA that is the adapter.
    """

    def __init__(self, student: nn.Module, decay: float) -> None:
        """Begin with the student as it is."""
        self._decay = decay
        self._trained = {name: p for name, p in student.named_parameters() if p.requires_grad}
        # In float32: a share of 1 - decay of a small difference is less than bfloat16's rounding.
        self._average = {name: p.detach().float().clone() for name, p in self._trained.items()}
        self.teacher: Teacher | None = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """The student's weights are the average's in here; the step's autograd graph never notices."""
        current = {name: p.data for name, p in self._trained.items()}
        for name, parameter in self._trained.items():
            parameter.data = self._average[name].to(parameter.dtype)
        try:
            yield
        finally:
            for name, parameter in self._trained.items():
                parameter.data = current[name]

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the average towards the student; save it with a checkpoint, and before it."""
        for name, parameter in self._trained.items():
            self._average[name].lerp_(parameter.detach().float(), 1 - self._decay)
        if self.teacher is not None:
            self.teacher.forget()
        if control.should_save and state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            folder.mkdir(parents=True, exist_ok=True)
            save_file({name: value.contiguous() for name, value in self._average.items()}, folder / EMA_FILE)

    def restore(self, checkpoint: str) -> None:
        """Go on from a checkpoint's average.

        Raises:
            UserError: the checkpoint has none.
        """
        path = Path(checkpoint) / EMA_FILE
        if not path.is_file():
            raise UserError(f"teacher: ema cannot go on from {checkpoint}, which has no {EMA_FILE}.")
        for name, value in load_file(path).items():
            self._average[name].copy_(value)
        if self.teacher is not None:
            self.teacher.forget()
