"""Engines: one loaded model that stands for the base and for its checkpoints."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from distill.evaluation.checkpoints import Checkpoint
from distill.evaluation.settings import EvalSettings
from distill.model.fingerprints import model_folder
from lm_eval_tasks.errors import UserError


class Engine(Protocol):
    """What a backend offers."""

    settings: EvalSettings

    def serve(self, checkpoint: Checkpoint | None = None) -> AbstractContextManager[Any]:
        """lm-eval's model for a checkpoint, or for the base model."""

    def dtype(self, lm: Any) -> str:
        """The dtype of the loaded weights, such as `bfloat16`."""

    def base_probe(self) -> float:
        """The base model's log-likelihood of the probe; see `distill.evaluation.probe`."""

    def close(self) -> None:
        """Free the memory."""


def open_engine(settings: EvalSettings, adapters: Sequence[Checkpoint] = ()) -> Engine:
    """The engine of `settings.backend`; it loads the model when it is first asked for.

    Args:
        settings: How models are asked.
        adapters: Adapter checkpoints that will be served.
    """
    # lm-eval's own warnings are about options that this package sets on purpose.
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    if settings.backend == "vllm":
        from distill.evaluation.vllm_engine import VllmEngine

        return VllmEngine(settings, adapters)
    from distill.evaluation.hf_engine import HfEngine

    return HfEngine(settings)


def check_model(name: str) -> Path:
    """See that a model's config and tokenizer load; returns the folder of its files.

    Raises:
        UserError: there is no such model, here or on the hub.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        AutoConfig.from_pretrained(name)
        AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(
            f"model {name!r} cannot be loaded ({reason}). Name a folder with config.json and a tokenizer, a "
            "model on the Hugging Face hub that this machine can reach, or 'demo' for the embedded model."
        ) from None
    return model_folder(name)


def has_chat_template(name: str) -> bool:
    """Whether a model's tokenizer has one: then it is asked in chat turns, else in plain text."""
    from transformers import AutoTokenizer

    check_model(name)
    return AutoTokenizer.from_pretrained(name).chat_template is not None
