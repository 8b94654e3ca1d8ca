"""Files of weights."""

from pathlib import Path

from safetensors import SafetensorError, safe_open


def is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says, which safetensors checks on opening it."""
    try:
        with safe_open(path, framework="pt"):
            return True
    except (OSError, SafetensorError):
        return False
