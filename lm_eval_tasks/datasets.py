"""A benchmark's rows from the Hugging Face hub, a local folder, or the embedded sample.

A source is named by one word everywhere (`data` argument, `--data`, `ICL_DATA_DIR`):

- `hub`: the data sets of `BENCHMARKS`, through `datasets.load_dataset` and its cache;
- `sample`: our own small rows inside the package, for demonstrations of the software and tests;
- any other word: a folder with `<benchmark>/<split>.jsonl` files in the hub's schemas.

Without an argument the source is `ICL_DATA_DIR` if set, else `hub`.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval_tasks import schemas
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_json_lines
from lm_eval_tasks.schemas import Example

logger = logging.getLogger(__name__)

SAMPLE_DIR = Path(__file__).parent / "sample"
DATA_DIR_VARIABLE = "ICL_DATA_DIR"


@dataclass(frozen=True, slots=True)
class Split:
    """Where one split lives: `load_dataset(path, name, split=split)`, and `file` in a local folder."""

    path: str
    name: str | None
    split: str
    file: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: the split that is evaluated, the one that trains and lends demonstrations, the parser.

    `num_fewshot` is the number of demonstrations that the few-shot task shows by default.
    """

    evaluation: Split
    train: Split
    parse: Callable[[Mapping[str, Any], str, str], Example]
    num_fewshot: int


BENCHMARKS: Mapping[str, Benchmark] = {
    "gsm8k": Benchmark(
        evaluation=Split("openai/gsm8k", "main", "test", "test.jsonl"),
        train=Split("openai/gsm8k", "main", "train", "train.jsonl"),
        parse=schemas.parse_gsm8k,
        num_fewshot=8,
    ),
    "csqa": Benchmark(
        # The test split has no labels.
        evaluation=Split("tau/commonsense_qa", None, "validation", "validation.jsonl"),
        train=Split("tau/commonsense_qa", None, "train", "train.jsonl"),
        parse=schemas.parse_csqa,
        num_fewshot=5,
    ),
    "math": Benchmark(
        evaluation=Split("HuggingFaceH4/MATH-500", None, "test", "test.jsonl"),
        train=Split("DigitalLearningGmbH/MATH-lighteval", "default", "train", "train.jsonl"),
        parse=schemas.parse_math,
        num_fewshot=4,
    ),
    "ifeval": Benchmark(
        # The hub's only split of google/IFEval is called train; it is the evaluation set.
        evaluation=Split("google/IFEval", None, "train", "test.jsonl"),
        train=Split("argilla/ifeval-like-data", "filtered", "train", "train.jsonl"),
        parse=schemas.parse_ifeval,
        num_fewshot=4,
    ),
}


def resolve_source(data: str | None) -> str:
    """The source that `data` names; see the module's docstring."""
    return data or os.environ.get(DATA_DIR_VARIABLE) or "hub"


def load_evaluation(benchmark: str, data: str | None = None) -> list[Example]:
    """The evaluated rows of `benchmark`.

    Raises:
        UserError: unknown benchmark, source not reachable, or a malformed row.
    """
    return _load(benchmark, "evaluation", resolve_source(data))


def load_train(benchmark: str, data: str | None = None) -> list[Example]:
    """The training rows of `benchmark`, each with a completion; IFEval rows only where compliant.

    Raises:
        UserError: unknown benchmark, source not reachable, or a malformed row.
    """
    examples = _load(benchmark, "train", resolve_source(data))
    for example in examples:
        if example.completion is None:
            raise UserError(f"{benchmark} {example.id}: a training row needs an answer, and this has none.")
    return examples


def load_pool(benchmark: str, data: str | None = None) -> tuple[list[Example], str]:
    """The rows that demonstrations come from, and the source they were found in.

    A local folder may lack a training file (a copy of an evaluation set often does). The embedded sample
    then lends the demonstrations, with a warning, and the returned source says so.
    """
    source = resolve_source(data)
    if source not in ("hub", "sample"):
        path = _local_file(benchmark, _benchmark(benchmark).train, source)
        if not path.is_file():
            logger.warning(
                "%s is missing: demonstrations for %s come from the embedded sample.", path, benchmark
            )
            source = "sample"
    return load_train(benchmark, source), source


def local_files(benchmark: str, data: str | None = None) -> list[Path]:
    """The files that hold the rows of `benchmark`, those that exist; none for the hub.

    Raises:
        UserError: unknown benchmark.
    """
    spec, source = _benchmark(benchmark), resolve_source(data)
    if source == "hub":
        return []
    paths = (_local_file(benchmark, split, source) for split in (spec.train, spec.evaluation))
    return [path for path in paths if path.is_file()]


def read_rows(benchmark: str, role: str, source: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Raw rows of a split with the place each stands at, for messages: `(where, row)`.

    Args:
        benchmark: A key of `BENCHMARKS`.
        role: `evaluation` or `train`.
        source: `hub`, `sample` or a folder.

    Raises:
        UserError: source not reachable, or a line that is not a JSON object.
    """
    split: Split = getattr(_benchmark(benchmark), role)
    if source == "hub":
        return ((f"{split.path}[{split.split}] row {i}", row) for i, row in enumerate(_hub_rows(split)))
    path = _local_file(benchmark, split, source)
    if not path.is_file():
        raise UserError(
            f"{path} does not exist. The data folder {source!r} must hold {benchmark}/{split.file}, "
            f"JSON lines in the schema of {split.path}; or use the sources 'hub' or 'sample'."
        )
    return read_json_lines(path)


def _load(benchmark: str, role: str, source: str) -> list[Example]:
    spec = _benchmark(benchmark)
    examples = []
    for index, (where, row) in enumerate(read_rows(benchmark, role, source)):
        if benchmark == "ifeval" and role == "train" and not schemas.is_compliant(row):
            continue
        examples.append(spec.parse(row, str(index), where))
    if not examples:
        raise UserError(f"{benchmark}: the {role} split of source {source!r} has no usable row.")
    return examples


def _benchmark(name: str) -> Benchmark:
    if name not in BENCHMARKS:
        raise UserError(f"unknown benchmark {name!r}; choose from {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[name]


def _local_file(benchmark: str, split: Split, source: str) -> Path:
    if source == "sample":
        return SAMPLE_DIR / f"{benchmark}_{split.file}"
    return Path(source).expanduser() / benchmark / split.file


def _hub_rows(split: Split) -> Iterable[Mapping[str, Any]]:
    # Imported here: it takes two seconds, and neither scoring nor local data needs it.
    import datasets

    try:
        return datasets.load_dataset(split.path, split.name, split=split.split)
    except (OSError, ValueError) as error:  # hub unreachable; unknown data set, config or split
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"cannot load {split.path} from the Hugging Face hub ({reason}). Without a network, set "
            f"{DATA_DIR_VARIABLE} (or 'data') to a folder with <benchmark>/<split>.jsonl files, or use "
            "data 'sample' for the embedded rows."
        ) from error
