"""One result, whoever wrote it: what was asked of which model, what came out, and the rows.

An entry has the fields of our own results files (`results`); lm-eval's files are read into the same ones by
`lm_eval_results`. What a file does not tell is absent, and is never taken for a difference.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from distill.evaluation.kinds import kind_by, provenance_in
from distill.evaluation.lm_eval_results import read_lm_eval
from distill.evaluation.results import SCHEMA, read_results, view_of
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.names import current

Entry = dict[str, Any]
Row = Mapping[str, Any]
Rows = Mapping[str, Row]


@dataclass(frozen=True)
class Result:
    """One measurement.

    Attributes:
        entry: What a results file says of it.
        source: That file.
        read_rows: Reads its rows; None of none that can be found.
    """

    entry: Entry
    source: Path
    read_rows: Callable[[], Iterable[Mapping[str, Any]] | None] = field(repr=False)

    @property
    def log(self) -> Path:
        """The file of its rows, which need not be there any more."""
        return self.source.parent / str(self.entry["samples"])

    @cached_property
    def rows(self) -> Rows | None:
        """By id, in the order of the data set; None where they were not logged, or the log is gone.

        Raises:
            UserError: the log is malformed, or does not hold the rows that the entry counts.
        """
        try:
            found = self.read_rows()
            if found is None:
                return None
            rows: Rows = {str(row["id"]): current(row.items()) for row in found}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{self.log} is not readable as rows ({error!r}). Measure again.") from None
        if len(rows) != (counted := self.entry["data"]["rows"]):
            raise UserError(
                f"{self.log} holds {len(rows)} rows, and {self.source.name} counts {counted}. Measure again."
            )
        return rows

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Of a checkpoint, its training's `provenance.json`; empty where there is none."""
        return provenance_in(self.checkpoint.parent) if self.checkpoint else {}

    @property
    def checkpoint(self) -> Path | None:
        """The trained weights' folder, which need not be there any more; None for a base model."""
        named = self.entry["model"]["checkpoint"]
        return self.source.parent / named if named else None

    @property
    def seed(self) -> int:
        """The training's, of a checkpoint; else the evaluation's."""
        return int(self.provenance.get("seed", self.entry["request"].get("seed", 0)))

    @property
    def task(self) -> str:
        """The task's name in lm-eval."""
        if told := self.entry.get("lm_eval"):
            return str(told["task"])
        name = str(self.entry["benchmark"])
        if name in BENCHMARKS:
            return f"{name}_icl_{'fewshot' if self.entry['num_fewshot'] else '0shot'}"
        return name.removeprefix("lm_eval:")

    def docs(self) -> list[str] | None:
        """What tells each row from every other: its id, and the hash of its content or its question."""
        if self.rows is None:
            return None
        return [f"{id} {row.get('doc_hash') or row['question']}" for id, row in self.rows.items()]


def same_rows(one: Result, other: Result) -> bool:
    """Whether both answered the same rows, as far as their logs tell; a hash is compared with a hash."""
    first, second = one.rows, other.rows
    if first is None or second is None or first.keys() != second.keys():
        return False
    for id, row in first.items():
        beside = second[id]
        name = "doc_hash" if row.get("doc_hash") and beside.get("doc_hash") else "question"
        if row[name] != beside[name]:
            return False
    return True


def read_file(file: Path) -> list[Result]:
    """The results in a file of ours or of lm-eval.

    Raises:
        UserError: it is neither, or malformed.
    """
    if _is_ours(file):
        return [_ours(entry, file) for entry in read_results(file)["results"]]
    return [Result(entry, file, rows) for entry, rows in read_lm_eval(file)]


def result_files(paths: Iterable[Path]) -> list[Path]:
    """The results files of ours and of lm-eval among `paths`, folders searched through.

    Raises:
        UserError: a path does not exist.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist. Name results files, or folders that hold them.")
        found += _in_folder(path) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def _in_folder(path: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".") and name != "samples")
        for name in sorted(names):
            file = Path(folder) / name
            if re.fullmatch(r"results_.*\.json", name) or (name.endswith(".json") and _is_ours(file)):
                yield file


def _is_ours(file: Path) -> bool:
    """Whether the file begins as our results files do; a tokenizer's megabytes are not read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            return f'"{SCHEMA}"' in text.read(200)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}).") from None


def _ours(entry: Entry, file: Path) -> Result:
    """An entry of our own, under today's names and with what earlier versions left out."""
    entry["diagnostics"] = current(entry["diagnostics"].items())
    entry["view"] = view_of(entry)
    result = Result(entry, file, lambda: _our_rows(file.parent / entry["samples"]))
    entry["kind"] = entry.get("kind") or kind_by(result.provenance)
    return result


def _our_rows(path: Path) -> list[Mapping[str, Any]] | None:
    if not path.is_file():
        return None
    # Not by `splitlines`, which breaks lines at characters that a response may hold.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
