"""Engines: one loaded model that stands for the base and for its checkpoints."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from distill.evaluate.checkpoints import Checkpoint
from distill.evaluate.settings import EvalSettings
from lm_eval_tasks.errors import UserError


class Engine(Protocol):
    """What a backend offers."""

    settings: EvalSettings

    def serve(self, checkpoint: Checkpoint | None = None) -> AbstractContextManager[Any]:
        """lm-eval's model for a checkpoint, or for the base model."""

    def dtype(self, lm: Any) -> str:
        """The dtype of the loaded weights, such as `bfloat16`."""

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
        from distill.evaluate.vllm_engine import VllmEngine

        return VllmEngine(settings, adapters)
    from distill.evaluate.hf_engine import HfEngine

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


def model_folder(name: str, revision: str | None = None) -> Path:
    """Where a model's files are on this machine: its own folder, or its snapshot in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name).is_dir():
        return Path(name)
    found = try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(found, str):
        raise UserError(f"model {name!r} is not in the Hugging Face cache, though it was loaded from there.")
    return Path(found).parent
