"""What a stage is of: settings and contents, without what cannot change its result.

Left out are the spelling of paths, comments, the order of keys, what is logged and how many rows are
evaluated at once. A file that a setting names stands for its content, a model's folder for its weights and
tokenizer.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from distill.model.fingerprints import digest
from distill.model.identity import folder_fingerprint
from lm_eval_tasks import __version__
from lm_eval_tasks.files import read_yaml_mapping

_CHANGES_NOTHING = re.compile(
    r"output|output_dir|base_dir|resume_from_checkpoint|run_name|project|report_to|disable_tqdm|log_level.*|"
    r"log_on_each_node|logging_(?!nan_inf_filter).*|push_to_hub|hub_.*|include_num_input_tokens_seen|"
    r"batch_size|per_device_eval_batch_size|tensor_parallel_size|dataloader_num_workers|dataloader_pin_memory|"
    r"dataset_num_proc"
)
_NAMES_FOLDERS = ("model", "model_name_or_path", "teacher_model_name_or_path", "teacher_targets")
_NAMES_FILES = (
    *_NAMES_FOLDERS, "chat_template_path",
    "task", "inputs", "eval", "evaluation", "answers", "demonstrations", "demonstrations_from",
    "system_instruction", "document",
)  # fmt: skip
"""Settings that may name a file or folder."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Settings out of YAML files, later ones over earlier ones, and options over them.

    Attributes:
        files: They need not be there until the stage's turn comes.
        over: Options.
        only: The keys that matter; None: all.
    """

    files: tuple[Path, ...]
    over: Mapping[str, Any]
    only: tuple[str, ...] | None = None

    def settings(self) -> dict[str, Any]:
        """The merged settings."""
        found = {name: value for path in self.files for name, value in read_yaml_mapping(path).items()}
        found |= self.over
        return found if self.only is None else {name: found.get(name) for name in self.only}


def fingerprint(meaning: Any, before: Sequence[str] = ()) -> str:
    """A digest of a meaning, of the software's version, and of what it builds on."""
    return digest([__version__, meaning_of(meaning), *before])


def meaning_of(value: Any) -> Any:
    """A value as JSON, equal where it means the same.

    Args:
        value: Settings by name, lists, scalars, `Merged`, and paths, which stand for their content.
    """
    if isinstance(value, Merged):
        return meaning_of(value.settings())
    if isinstance(value, Mapping):
        kept = {str(name): one for name, one in value.items() if one is not None}
        return {
            name: meaning_of(_placed(name, one))
            for name, one in kept.items()
            if not _CHANGES_NOTHING.fullmatch(name)
        }
    if isinstance(value, list | tuple):
        return [meaning_of(one) for one in value]
    return _content(value) if isinstance(value, Path) else _scalar(value)


def _placed(name: str, value: Any) -> Any:
    """A path, where a setting names something on this machine."""
    if name == "data" and Path(str(value)).expanduser().is_dir():
        return None  # the stage names the files that it reads there
    if name not in _NAMES_FILES or isinstance(value, Mapping):
        return value
    if isinstance(value, list | tuple):
        return [_placed(name, one) for one in value]
    path = Path(str(value)).expanduser()
    try:
        there = path.is_file() or (path.is_dir() and name in _NAMES_FOLDERS)
    except OSError:  # a text too long for a name
        return value
    return path if there else value


def _content(path: Path) -> Any:
    if path.is_dir():
        return folder_fingerprint(path)
    if path.suffix not in (".yaml", ".yml"):
        return _file_digest(path) if path.is_file() else None
    # A task of lm-eval, or a launcher's settings.
    return [_file_digest(file) if file != path else _without_comments(path) for file in files_of(path)]


def files_of(task: Path) -> Iterator[Path]:
    """A task's YAML file and the files on this machine that it names: rows, functions, files it includes."""
    seen, open_files = {task.resolve()}, [task]
    while open_files:
        path = open_files.pop()
        yield path
        if path.suffix in (".yaml", ".yml"):
            for file in sorted(set(_named_in(path))):
                if file.resolve() not in seen:
                    seen.add(file.resolve())
                    open_files.append(file)


def _named_in(path: Path) -> Iterator[Path]:
    for word in _words(_parsed(path)):
        for file in (path.parent / word, Path(word), path.parent / f"{word.partition('.')[0]}.py"):
            try:
                if file.is_file():
                    yield file
                    break
            except (OSError, ValueError):  # a prompt, not a name
                break


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _words(one)


class _AnyTag(yaml.SafeLoader):
    """Reads `!function module.name` as its text."""


_AnyTag.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))


def _parsed(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _AnyTag)
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        return None  # who reads it says so


def _without_comments(path: Path) -> Any:
    found = _parsed(path)
    return (
        _file_digest(path) if found is None and path.is_file() else json.loads(json.dumps(found, default=str))
    )


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _scalar(value: Any) -> Any:
    """`2e-4`, 0.0002 and "0.0002" are one value, and so are True and "true"."""
    if isinstance(value, bool) or value is None:
        return value
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text
