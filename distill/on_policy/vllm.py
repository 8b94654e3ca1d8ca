"""Answers sampled through TRL's vLLM integration, from the student's current weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from torch.distributed.tensor import DTensor
from transformers import PreTrainedTokenizerBase

from distill.on_policy.config import GenerationArguments
from lm_eval_tasks.errors import UserError

Engine = Any
"""`trl.generation.VLLMGeneration`, which exists only where vLLM is installed."""


def start_engine(
    args: GenerationArguments,
    model: nn.Module,
    accelerator: Accelerator,
    tokenizer: PreTrainedTokenizerBase,
    *,
    temperature: float,
    rows: int,
) -> Engine:
    """TRL's engine, or its connexion to a server.

    Args:
        args: The `vllm_` keys.
        model: The unwrapped student.
        accelerator: Of the run.
        tokenizer: The student's.
        temperature: Of sampling.
        rows: Of a step, in this process.

    Raises:
        UserError: vLLM is missing, or the student's base is quantised.
    """
    try:
        from trl.generation import VLLMGeneration
    except ImportError:
        raise UserError(
            "use_vllm: true needs vLLM, which is not installed. Run: pip install 'trl[vllm]' (GPUs only), or "
            "leave it out: transformers writes the answers then."
        ) from None
    if getattr(model, "is_quantized", False):
        raise UserError(
            "use_vllm: true merges the adapter into the base to send it, which a quantised base would not "
            "survive, and with it the teacher. Leave out load_in_4bit and load_in_8bit, or use_vllm."
        )
    return VLLMGeneration(**engine_arguments(args, temperature=temperature, rows=rows), **{
        "model": model, "accelerator": accelerator, "processing_class": tokenizer,
    })  # fmt: skip


def engine_arguments(args: GenerationArguments, *, temperature: float, rows: int) -> dict[str, Any]:
    """The keyword arguments of TRL's engine that the config decides."""
    return {
        "mode": args.vllm_mode,
        "server_base_url": args.vllm_server_base_url,
        "server_host": args.vllm_server_host,
        "server_port": args.vllm_server_port,
        "server_timeout": args.vllm_server_timeout,
        "group_port": args.vllm_group_port,
        "tensor_parallel_size": args.vllm_tensor_parallel_size,
        "gpu_memory_utilization": args.vllm_gpu_memory_utilization,
        "max_model_length": args.vllm_max_model_length,
        "max_num_seqs": rows * args.vllm_tensor_parallel_size,
        "enable_sleep_mode": args.vllm_enable_sleep_mode,
        "model_impl": args.vllm_model_impl,
        "temperature": temperature,
        "max_completion_length": args.max_new_tokens,
        # The loss compares distributions; what the sampled tokens' probabilities were is of no use.
        "logprobs": None,
    }


class VLLMWriter:
    """Writes the student's answers; the engine gets the weights of each step once."""

    def __init__(self, engine: Engine, model: nn.Module, stop_ids: Sequence[int]) -> None:
        """Wrap an engine; `stop_ids` are tokens that end an answer."""
        self._engine = engine
        self._stop_ids = list(stop_ids)
        self._model = model
        self._base: list[torch.Tensor] | None = None
        self._step: int | None = None

    def write(self, prompts: list[list[int]], *, step: int, seed: int) -> list[list[int]]:
        """One answer to each prompt by the weights of optimizer step `step`."""
        if step != self._step:
            with self._restoring_base():
                self._engine.sync_weights()
            self._step = step
        self._engine.generation_kwargs = {"seed": seed % 2**31, "stop_token_ids": self._stop_ids}
        _, answers, _, _ = self._engine.generate(prompts=prompts, images=None, num_generations=1)
        return [list(answer) for answer in answers]

    @contextmanager
    def _restoring_base(self) -> Iterator[None]:
        """TRL merges the adapter into the base and subtracts it again, which rounding keeps from being exact.

        The base is the teacher too: it would drift. So it is put back as it was.
        """
        weights = list(_merged_into(self._model))
        if self._base is None:
            self._base = [weight.to("cpu", copy=True) for weight in weights]
        try:
            yield
        finally:
            for weight, before in zip(weights, self._base, strict=True):
                weight.copy_(before)


def _merged_into(model: nn.Module) -> Iterator[torch.Tensor]:
    """This process's part of the base weights that carry an adapter."""
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            for parameter in module.get_base_layer().parameters():
                yield parameter.to_local() if isinstance(parameter, DTensor) else parameter.data
