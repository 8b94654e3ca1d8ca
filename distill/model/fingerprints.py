"""What was evaluated, and with which software: short digests and version numbers."""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lm_eval_tasks import __version__
from lm_eval_tasks.errors import UserError

_PACKAGES = ("lm_eval", "transformers", "torch", "trl", "peft", "vllm", "accelerate", "datasets")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_PIECE = 1 << 16
_PIECES = 256
"""Of a weight file above 16 MB (pieces x piece), as many evenly spaced pieces are read."""


def versions() -> dict[str, str | None]:
    """Versions of Python, of ourselves and of the packages that decide numbers; None: not installed."""
    found: dict[str, str | None] = {"python": platform.python_version(), "icl_distill": __version__}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def device_name() -> str:
    """The first GPU's name, else the machine's architecture."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"CPU {platform.machine()}"


def digest(value: Any) -> str:
    """SHA-256 (first 16 hex digits) of text, or of a JSON-like value."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_all(texts: Iterable[str]) -> str:
    """SHA-256 (first 16 hex digits) of texts in order."""
    return digest(list(texts))


def model_fingerprint(folder: Path) -> str:
    """A digest of a model's or an adapter's folder: its config, and names, sizes and content of its weights.

    Of large weight files, 16 MB in evenly spaced pieces stand for the content: training moves nearly every
    weight, so two steps of one run differ there, and 140 GB of weights take seconds.
    """
    sha = hashlib.sha256()
    for name in ("config.json", "adapter_config.json"):
        if (folder / name).is_file():
            sha.update(_stable_config(folder / name))
    for path in sorted({path for pattern in _WEIGHTS for path in folder.glob(pattern)}):
        size = path.stat().st_size
        sha.update(f"{path.name}:{size}".encode())
        stride = max(_PIECE, size // _PIECES)
        with path.open("rb") as file:
            for offset in range(0, size, stride):
                file.seek(offset)
                sha.update(file.read(_PIECE))
            file.seek(max(0, size - _PIECE))
            sha.update(file.read(_PIECE))
    return sha.hexdigest()[:16]


def model_folder(name: str, revision: str | None = None) -> Path:
    """Where a model's files are on this machine: its own folder, or its snapshot in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name).is_dir():
        return Path(name)
    found = try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(found, str):
        raise UserError(f"model {name!r} is not in the Hugging Face cache, though it was loaded from there.")
    return Path(found).parent


def _stable_config(path: Path) -> bytes:
    """A config without what names its place or the software that wrote it: a copy is the same model."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return path.read_bytes()
    for name in ("_name_or_path", "transformers_version", "base_model_name_or_path", "peft_version"):
        config.pop(name, None)
    # PEFT keeps these names in a set, and writes them in another order in each process.
    for name in ("target_modules", "modules_to_save"):
        if isinstance(config.get(name), list):
            config[name] = sorted(config[name])
    return json.dumps(config, sort_keys=True).encode()
