"""The vLLM backend: one engine, adapters swapped per request, full checkpoints one after another."""

import gc
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.vllm_causallms import VLLM

from distill.evaluation.checkpoints import Checkpoint, tokenizer_of
from distill.evaluation.model_arguments import clear_refusal
from distill.evaluation.probe import probe
from distill.evaluation.response_length import Reply, ReplyRecorder, check_budget
from distill.evaluation.settings import EvalSettings

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The LoRA ranks that vLLM reserves room for."""


class MeasuredVLLM(VLLM):
    """lm-eval's vLLM model that also knows each response's length and refuses over-long prompts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As `VLLM`."""
        super().__init__(*args, **kwargs)
        self.cache_hook = self.recorder = VllmRecorder()

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """As `VLLM`, after a check of all prompts."""
        check_budget(self, requests, "max_model_len")
        return list(super().generate_until(requests, disable_tqdm))

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """As `VLLM`, after a check of all prompts."""
        check_budget(self, requests, "max_model_len")
        return list(super().loglikelihood(requests, disable_tqdm))

    def _model_generate(self, requests: Any, generate: bool = False, sampling_params: Any = None) -> Any:
        """As `VLLM`; vLLM's outputs say why each response ended, and lm-eval drops that."""
        outputs = super()._model_generate(requests, generate=generate, sampling_params=sampling_params)
        if generate:
            self.recorder.pending = [output.outputs[0] for output in outputs]
        return outputs


class VllmRecorder(ReplyRecorder):
    """Pairs vLLM's outputs, in their order, with the prompts."""

    def add_partial(self, attr: str, req: tuple[str, dict[str, Any]], res: str) -> None:
        """Record the reply to the prompt `req[0]`."""
        if attr == "generate_until":
            output = self.pending.pop(0)
            truncated = output.finish_reason == "length"
            # The token that ended the response is the last of its ids.
            self.replies[req[0]] = Reply(len(output.token_ids) - (not truncated), truncated)


class VllmEngine:
    """Serves the base model, adapters on it, and full checkpoints, one at a time."""

    def __init__(self, settings: EvalSettings, adapters: Sequence[Checkpoint] = ()) -> None:
        """Nothing is loaded until it is asked for.

        Args:
            settings: How models are asked.
            adapters: Those that will be served; the engine reserves room for the largest.
        """
        self.settings = settings
        self._lora: dict[str, Any] = {}
        if adapters:
            rank = max(_rank(adapter) for adapter in adapters)
            room = next((size for size in _RANKS if size >= rank), rank)
            self._lora = {"enable_lora": True, "max_lora_rank": room}
        self._base: MeasuredVLLM | None = None
        self._served = 0
        self._base_probe: float | None = None

    @contextmanager
    def serve(self, checkpoint: Checkpoint | None = None) -> Iterator[MeasuredVLLM]:
        """The model of a checkpoint, or the base model for None."""
        if checkpoint is not None and checkpoint.kind == "full":
            self.close()
            tokenizer = tokenizer_of(checkpoint, self.settings.model)
            yield self._start(str(checkpoint.folder), {"tokenizer": tokenizer})
            return
        if self._base is None:
            self._base = self._start(self.settings.model, self._lora)
        try:
            self._base.lora_request = self._request(checkpoint) if checkpoint else None
            yield self._base
        finally:
            if self._base is not None:
                self._base.lora_request = None

    def base_probe(self) -> float:
        """What the base model answers to the probe."""
        if self._base_probe is None:
            with self.serve() as lm:
                self._base_probe = probe(lm)
        return self._base_probe

    def close(self) -> None:
        """Stop the engine."""
        self._base = None
        gc.collect()

    def dtype(self, lm: MeasuredVLLM) -> str:
        """The dtype of the loaded weights, such as `bfloat16`."""
        return str(lm.model.llm_engine.model_config.dtype).removeprefix("torch.")

    def _request(self, checkpoint: Checkpoint) -> Any:
        from vllm.lora.request import LoRARequest

        self._served += 1  # vLLM knows adapters by number
        name = f"{checkpoint.condition}-{checkpoint.step}"
        return LoRARequest(name, self._served, str(checkpoint.folder.resolve()))

    def _start(self, pretrained: str, extra: dict[str, Any]) -> MeasuredVLLM:
        settings = self.settings
        arguments = {"dtype": settings.dtype, "seed": settings.seed} | extra
        if not settings.enable_thinking:  # for lm-eval's own tasks; true would cut answers besides
            arguments["enable_thinking"] = False
        arguments |= settings.model_args
        arguments["dtype"] = _dtype(str(arguments["dtype"]))
        with clear_refusal(VLLM, settings.model_args):
            return MeasuredVLLM(
                pretrained=pretrained,
                batch_size="auto",
                tensor_parallel_size=settings.tensor_parallel_size,
                **arguments,
            )


def _dtype(wanted: str) -> str:
    """What vLLM is told; its own choice on a CPU, bfloat16, is four times slower there (docs/vllm.md)."""
    from vllm.platforms import current_platform  # known only once vLLM has loaded its plugins

    if wanted != "auto" or not current_platform.is_cpu():
        return wanted
    print("vLLM on a CPU: dtype float32; --dtype chooses another", file=sys.stderr, flush=True)
    return "float32"


def _rank(adapter: Checkpoint) -> int:
    config = json.loads((adapter.folder / "adapter_config.json").read_text(encoding="utf-8"))
    return int(max([config.get("r", 0), *config.get("rank_pattern", {}).values()]))
