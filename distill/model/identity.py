"""What a score is of, beside data and settings: everything on disk or installed that decides on answers.

A stored score is served only if all of it is the same; what differs is named.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from distill.model.fingerprints import digest, model_fingerprint

Identity = dict[str, str | None]
"""Digests and version numbers by what they are of; None: there is no such thing."""

_WORDS = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "added_tokens.json",
          "special_tokens_map.json", "tokenizer_config.json")  # fmt: skip
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates/*.jinja")
_UNSPOKEN = frozenset(
    ("name_or_path", "tokenizer_file", "transformers_version", "is_local",
     "_from_model_config")
)  # fmt: skip
"""What configs hold that decides nothing here: places, versions of the software that wrote them."""

_ALWAYS = ("icl_distill", "lm_eval", "torch", "transformers")


def model_identity(folder: Path, tokenizer: Path, fingerprint: str) -> Identity:
    """What of a model's files decides on its answers.

    Args:
        folder: Of the weights; of an adapter, its base's.
        tokenizer: Of the tokenizer that is used.
        fingerprint: Of the weights; see `model_fingerprint`.
    """
    template, words = list(_contents(tokenizer, _TEMPLATES)), list(_contents(tokenizer, _WORDS))
    for content in words:  # where earlier transformers put the template
        if isinstance(content, dict) and (written := content.pop("chat_template", None)):
            template.append(written)
    generation = _contents(folder, ("generation_config.json",))
    return {
        "weights": fingerprint,
        "tokenizer": digest(words) if words else None,
        "chat template": digest(template) if template else None,
        "generation config": next((digest(found) for found in generation), None),
    }


def folder_fingerprint(folder: Path) -> str:
    """A digest of whatever a folder holds: a model's identity, else files' sizes."""
    folder = folder.resolve()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stamps = [(path, path.stat()) for path in files]
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        return digest([[path.relative_to(folder).as_posix(), stat.st_size] for path, stat in stamps])
    return _of_model(folder, tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stamps))


@functools.lru_cache
def _of_model(folder: Path, stamps: tuple[tuple[Path, int, int], ...]) -> str:
    """Read once while the files stay as they are: each stage of a run asks."""
    return digest(model_identity(folder, folder, model_fingerprint(folder)))


def deciding_versions(
    versions: Mapping[str, str | None], *, backend: str, adapter: bool
) -> dict[str, str | None]:
    """Those of `versions` that can change an answer or a verdict."""
    names = [*_ALWAYS, *(["vllm"] if backend == "vllm" else ["peft"] if adapter else [])]
    return {name: versions.get(name) for name in names}


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two records, such as `its chat template (1f.. there, 9a.. now)`."""
    return [
        f"{name} ({there.get(name)} there, {now[name]} now)" for name in now if there.get(name) != now[name]
    ]


def _contents(folder: Path, names: tuple[str, ...]) -> Iterator[Any]:
    for name in names:
        for path in sorted(folder.glob(name)):
            yield _read(path)


def _read(path: Path) -> Any:
    """A file's content: JSON without what names places, other text as it stands; None where it is absent."""
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    if path.suffix != ".json":
        return digest(text.encode("utf-8", "surrogateescape").hex())
    try:
        content = json.loads(text)
    except ValueError:
        return text
    if not isinstance(content, dict):
        return content
    return {name: value for name, value in content.items() if name not in _UNSPOKEN}
