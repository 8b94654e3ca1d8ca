"""The transformers backend: the base is loaded once, adapters are put on it and taken off again."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from peft import PeftModel

from distill.evaluation.checkpoints import Checkpoint, tokenizer_of
from distill.evaluation.model_arguments import clear_refusal
from distill.evaluation.probe import probe
from distill.evaluation.response_length import ReplyRecorder, answer_limit, check_budget, reply_of
from distill.evaluation.settings import EvalSettings
from distill.evaluation.sharing_hflm import SharingHFLM


class MeasuredHFLM(SharingHFLM):
    """lm-eval's transformers model that also knows each response's length and refuses over-long prompts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As `HFLM`."""
        super().__init__(*args, **kwargs)
        self.cache_hook = self.recorder = HfRecorder(self)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """As `HFLM`, after a check of all prompts."""
        check_budget(self, requests, "max_length")
        return list(super().generate_until(requests, disable_tqdm))

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """As `HFLM`, after a check of all prompts."""
        check_budget(self, requests, "max_length")
        return super().loglikelihood(requests, disable_tqdm)

    def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> str:
        """As `HFLM`; the recorder keeps the tokens of the response that is being decoded."""
        text = str(super().tok_decode(tokens, skip_special_tokens))
        if isinstance(tokens, list):
            self.recorder.pending = [tokens, text]
        return text


class HfRecorder(ReplyRecorder):
    """Pairs the tokens that were decoded last with the response that lm-eval made of them."""

    def __init__(self, lm: MeasuredHFLM) -> None:
        """`lm` names the tokens that end a response."""
        super().__init__()
        self._lm = lm

    def add_partial(self, attr: str, req: tuple[str, dict[str, Any]], res: str) -> None:
        """Record the reply to the prompt `req[0]`."""
        if attr != "generate_until":
            return
        tokens, decoded = self.pending
        reply = reply_of(
            tokens,
            ends=_end_tokens(self._lm),
            cut_by_stop=res != decoded,
            limit=answer_limit(req[1]),
        )
        self.replies[req[0]] = reply


class HfEngine:
    """Serves the base model, adapters on it, and full checkpoints, one at a time."""

    def __init__(self, settings: EvalSettings) -> None:
        """Nothing is loaded until it is asked for."""
        self.settings = settings
        self._base: MeasuredHFLM | None = None
        self._base_probe: float | None = None

    @contextmanager
    def serve(self, checkpoint: Checkpoint | None = None) -> Iterator[MeasuredHFLM]:
        """The model of a checkpoint, or the base model for None."""
        if checkpoint is None:
            yield self._load_base()
        elif checkpoint.kind == "adapter":
            yield from self._serve_adapter(checkpoint.folder)
        else:
            self.close()
            tokenizer = tokenizer_of(checkpoint, self.settings.model)
            yield self._wrap(str(checkpoint.folder), tokenizer=tokenizer)

    def _serve_adapter(self, folder: Path) -> Iterator[MeasuredHFLM]:
        """PEFT puts its layers into the base model itself; unload() takes out again what can be."""
        base, untouched = self._load_base(), self.base_probe()
        restored = False
        try:
            peft_model = PeftModel.from_pretrained(base.model, folder)
            try:
                yield self._wrap(peft_model, tokenizer=base.tokenizer)
            finally:
                peft_model.unload()
            restored = not _replaces(folder) and probe(base) == untouched
        finally:  # an error leaves who knows what behind, as whole modules that were trained do
            if not restored:
                del base
                self.close()

    def base_probe(self) -> float:
        """What the base model answers to the probe."""
        if self._base_probe is None:
            self._base_probe = probe(self._load_base())
        return self._base_probe

    def close(self) -> None:
        """Free the base model's memory."""
        self._base = None
        _release()

    def dtype(self, lm: MeasuredHFLM) -> str:
        """The dtype of the loaded weights, such as `bfloat16`."""
        return str(next(lm.model.parameters()).dtype).removeprefix("torch.")

    def _load_base(self) -> MeasuredHFLM:
        if self._base is None:
            self._base = self._wrap(self.settings.model)
        return self._base

    def _wrap(self, pretrained: str | PeftModel, **extra: Any) -> MeasuredHFLM:
        settings = self.settings
        arguments: dict[str, Any] = {"device": _device(), "dtype": settings.dtype}
        # For lm-eval's own tasks; its option of this name would cut answers besides.
        arguments["chat_template_args"] = {"enable_thinking": settings.enable_thinking}
        arguments |= settings.model_args
        if settings.tensor_parallel_size > 1 and isinstance(pretrained, str):
            arguments["parallelize"] = torch.cuda.device_count() > 1  # layers spread over the GPUs
        with clear_refusal(HFLM, settings.model_args):
            return MeasuredHFLM(
                pretrained=pretrained,
                batch_size=settings.batch_size,
                **(arguments | extra),
            )


def _replaces(adapter: Path) -> bool:
    """Whether whole modules, or rows of the embeddings, were trained: PEFT 0.21 does not put these back."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return bool(config.get("modules_to_save") or config.get("trainable_token_indices"))


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _end_tokens(lm: MeasuredHFLM) -> set[int]:
    """What ends a response: the end-of-sequence tokens and the padding after them."""
    configured = getattr(lm.model, "generation_config", None)
    ends = getattr(configured, "eos_token_id", None)
    several = ends if isinstance(ends, list) else [ends]
    return {*several, lm.tokenizer.eos_token_id, lm.tokenizer.pad_token_id} - {None}


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
