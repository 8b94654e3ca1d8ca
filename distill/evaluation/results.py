"""The results file of `gap` and `eval`: one JSON that is whole after every measurement.

Schema, version 1::

    schema            "icl-distill/results"
    schema_version    1
    kind              "gap" or "checkpoints"
  problems          what could not be evaluated when `eval` ran last, a sentence each; absent where all could
    results           a list of entries, one per model x task x view x number of demonstrations:
      condition         "base" or the training condition's name
      step              optimiser step; null for the base model
      kind              base; of a checkpoint sft or distilled, by its condition's provenance.json, null where
                        that says neither; absent in earlier versions
      benchmark         the task's name
      title             the name that tables show; absent in earlier versions
      view              bare, or prompted: with what only the teacher reads; absent in earlier versions, where
                        any demonstrations make it prompted
      num_fewshot       demonstrations in the prompt
      model             name, kind (base, adapter, full), checkpoint (its folder, relative to this file),
                        fingerprint (config and weights; an adapter's includes its base's),
                        base_fingerprint, dtype
      identity          what decides on answers and verdicts: digests of weights, tokenizer, chat template,
                        generation config, task definition; absent in earlier versions, which are measured
                        again where they are asked for
      request           the settings that decide the numbers (seed, backend, max_new_tokens, ...)
      metrics           by the harness's name: correct, total, rate, interval (95%), stderr, unit (row;
                        instruction: pooled, clustered by prompt; score: a mean of numbers; total: the
                        harness's aggregate alone). correct is null of score and total, interval of total
      diagnostics       those of `lm_eval_tasks.scoring.names` (count, total, rate each), as far as the task
                        knows them; score_on_completed (the primary metric over responses that ended by
                        themselves); mean_response_tokens
      per_instruction_type  of IFEval: count, total, rate of the strict verdicts on each type of instruction
      data              source, rows, rows_in_split, fingerprint of the evaluated rows, split_fingerprint of
                        all; bad_rows, if there are any; metric, of rows of one's own
      demonstrations    num_fewshot; with any: mode, seed, source, pool_fingerprint, ids (of those that every
                        prompt shows); with them: system (a digest), documents (digests by name), privileged
                        (column and template)
      prompts           fingerprint of all prompts as the model read them; chat_template's, or null
      generation        what lm-eval handed to the model
      batch_size, tensor_parallel_size, device
      versions          Python, packages, ours
      date, seconds     when it ended (UTC), how long it took
      samples           file of its rows (JSON lines), relative to this file

Rates are fractions of 1. A row holds id, question, target, response, response_tokens, truncated (both null
where nothing is generated), prompt_tokens, prompt_sha, doc_hash (lm-eval's, cut to 16 digits) and the values
under the metrics' names. `result` reads files of earlier versions under today's names.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json, write_text

SCHEMA = "icl-distill/results"
SCHEMA_VERSION = 1
SAMPLES = "samples"
"""Folder beside a results file; in it, a folder by the file's name holds the rows."""

Entry = dict[str, Any]
_REQUIRED = (
    "condition", "step", "benchmark", "num_fewshot", "model", "request", "metrics", "diagnostics", "data",
    "demonstrations", "prompts", "versions", "samples",
)  # fmt: skip


Key = tuple[str, int | None, str, str, int]


def key_of(entry: Mapping[str, Any]) -> Key:
    """What an entry is called: condition, step, task, view, number of demonstrations."""
    return entry["condition"], entry["step"], entry["benchmark"], view_of(entry), entry["num_fewshot"]


def view_of(entry: Mapping[str, Any]) -> str:
    """`bare` or `prompted`; earlier versions wrote the number of demonstrations only."""
    return str(entry.get("view") or ("prompted" if entry["num_fewshot"] else "bare"))


WITH_PROMPT = "with the prompt"


def view_name(entry: Mapping[str, Any]) -> str:
    """`0-shot`, `4-shot`, or `with the prompt` where that holds no demonstrations."""
    if view_of(entry) == "bare":
        return "0-shot"
    return f"{entry['num_fewshot']}-shot" if entry["num_fewshot"] else WITH_PROMPT


def read_results(path: Path) -> dict[str, Any]:
    """A results file, checked.

    Raises:
        UserError: it cannot be read, is no JSON, no results file, of another version, or lacks a field.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Name a results file.") from None
    except ValueError as error:
        raise UserError(f"{path} is not readable as JSON ({error}). Measure into another file.") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise UserError(
            f"{path} is no results file: it lacks schema {SCHEMA!r}, which `gap` and `eval` write."
        )
    if content.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"{path}: field 'schema_version' is {content.get('schema_version')!r}; this version reads "
            f"{SCHEMA_VERSION}. Measure again, or use the version that wrote it."
        )
    entries = content.get("results")
    if not isinstance(entries, list):
        raise UserError(f"{path}: field 'results' must be a list, not {type(entries).__name__}.")
    for number, entry in enumerate(entries):
        missing = [name for name in _REQUIRED if not isinstance(entry, dict) or name not in entry]
        if missing:
            raise UserError(f"{path}: results[{number}] lacks {', '.join(missing)}. Measure again.")
        if not isinstance(entry["metrics"], dict) or not entry["metrics"]:
            raise UserError(f"{path}: results[{number}].metrics holds no metric. Measure again.")
    return content


class ResultsFile:
    """A results file that grows by one entry at a time; several processes may write into one."""

    def __init__(self, path: Path, kind: str) -> None:
        """Open `path`, or begin it.

        Raises:
            UserError: `path` cannot be written, or holds something else.
        """
        check_writable(path)
        self.path = path
        self._kind = kind
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        self._content = self._read()

    @property
    def entries(self) -> list[Entry]:
        """All entries, in the order in which they were first measured."""
        return list(self._content["results"])

    def find(self, key: Key) -> Entry | None:
        """The entry of that name."""
        return next((entry for entry in self._content["results"] if key_of(entry) == key), None)

    def add(self, entry: Entry, rows: Iterable[Mapping[str, Any]]) -> None:
        """Save the rows, then the entry; an entry of the same name is replaced, others' entries stay."""
        samples = self._samples(entry)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with self._lock:
            self._content = self._read()
            write_text(self.path.parent / samples, lines)
            entry["samples"] = samples.as_posix()
            entries = self._content["results"]
            places = [number for number, old in enumerate(entries) if key_of(old) == key_of(entry)]
            if places:
                entries[places[0]] = entry
            else:
                entries.append(entry)
            write_json(self.path, self._content)

    def note(self, problems: Sequence[str]) -> None:
        """Save what could not be measured, in the place of what an earlier command noted."""
        with self._lock:
            self._content = self._read()
            if list(problems) != self._content.pop("problems", []):
                kept = self._content.pop("results")
                noted = {"problems": list(problems)} if problems else {}
                self._content |= noted | {"results": kept}
                write_json(self.path, self._content)

    def _read(self) -> dict[str, Any]:
        """What the file holds now, other processes' entries included."""
        if not self.path.exists():
            return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "kind": self._kind, "results": []}
        content = read_results(self.path)
        if content.get("kind") != self._kind:
            raise UserError(f"{self.path} holds {content.get('kind')} results; name another --output.")
        return content

    def _samples(self, entry: Entry) -> Path:
        """Where an entry's rows go, relative to the file."""
        condition, step, task, view, k = key_of(entry)
        way = f"{k}shot" if step is None else str(step)
        if view == "prompted" and (step is not None or not k):
            way += "-prompted"
        readable = re.sub(r"[^\w.-]", "_", task)
        return Path(SAMPLES) / self.path.stem / f"{condition}-{way}-{readable}.jsonl"

    def relative(self, folder: Path) -> str:
        """`folder` as seen from the results file, so that a moved run still finds it."""
        return Path(os.path.relpath(folder.resolve(), self.path.parent.resolve())).as_posix()


def check_writable(path: Path) -> None:
    """See, before hours of work, that `path` can be written.

    Raises:
        UserError: it is a folder, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise UserError(f"--output {path} is a folder; name a file in it, such as {path / 'results.json'}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"--output {path} cannot be written ({error.strerror}); name another.") from None
