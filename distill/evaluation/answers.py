"""Answers that the prompted model writes to inputs without completions: what a student then learns from."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from tqdm import tqdm

from distill.encoding.encode import render_prompt
from distill.evaluation.engines import check_model, has_chat_template, open_engine
from distill.evaluation.settings import EvalSettings
from distill.model.fingerprints import digest, model_fingerprint
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.files import write_text
from lm_eval_tasks.harness.measured import ROWS_TOKENS, judged
from lm_eval_tasks.prompting.demonstrations import without_overlap
from lm_eval_tasks.prompting.plain_text import ANSWER
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.sources import TaskSpec

KEEP = ("all", "correct")
_CHUNK = 64
"""Rows that an interruption loses at most."""


@dataclass(slots=True)
class Counts:
    """What became of the answers: written, kept, cut at the limit, empty, judged wrong."""

    written: int = 0
    kept: int = 0
    truncated: int = 0
    empty: int = 0
    wrong: int = 0

    def __str__(self) -> str:
        """All on one line."""
        return (
            f"{self.kept} of {self.written} answers kept ({self.truncated} cut at the limit, {self.empty} "
            f"empty, {self.wrong} judged wrong)"
        )


def write_answers(
    settings: EvalSettings,
    spec: TaskSpec,
    output: Path,
    *,
    n: int = 1,
    keep: str = "all",
    keep_gold: bool = False,
    limit: int | None = None,
) -> Counts:
    """Write one answer to each training row, as JSON lines of `id` and `completion`; can be interrupted.

    Args:
        settings: The model and how it is asked.
        spec: The task, its inputs and what is read before them.
        output: The file; it appears when all is written.
        n: Answers drawn of each row; the first that is kept counts. 1: the greedy one.
        keep: `all`, or `correct`: only answers that the task's scorer passes, which needs labels.
        keep_gold: Leave rows that have a completion as they are; it is written beside the answers.
        limit: No more rows than this.

    Raises:
        UserError: bad input, or no answer is left.
    """
    check(n > 0, "--n", n, "give 1 or more")
    check(keep in KEEP, "--keep", keep, f"choose from {', '.join(KEEP)}")
    asked = asked_rows(settings, spec, limit)
    if keep == "correct":
        check_labels(asked)
    solved = [row for row in asked if keep_gold and row.completion is not None]
    asked = [row for row in asked if not keep_gold or row.completion is None]
    part = output.with_name(f".{output.name}.part")
    done = _read_part(part, _run_digest(settings, asked, n, keep))
    counts = Counts(**done.counts)
    todo = asked[done.rows :]
    if todo:
        _write(settings, spec, todo, part, done, counts, n, keep)
    lines = [*(_line(row, str(row.completion)) for row in solved), *done.lines]
    if not lines:
        raise UserError(f"{spec.task}: no answer is left to learn from: {counts}. Raise --max_new_tokens.")
    write_text(output, "".join(line + "\n" for line in lines))
    part.unlink(missing_ok=True)
    return counts


def check_labels(rows: Sequence[Episode]) -> None:
    """Refuse rows of which none can be judged, where only correct answers are to be kept."""
    if all(row.reference.get("target") is None for row in rows):
        raise UserError(
            "--keep correct: no row to learn from has a gold answer to judge by; label some, or keep all."
        )


def asked_rows(settings: EvalSettings, spec: TaskSpec, limit: int | None) -> list[Episode]:
    """The training rows with what the prompted model reads; the fixed demonstrations are not among them."""
    source = spec.open(chat=has_chat_template(settings.model))
    context = spec.context(source)
    picker = context.picker(source)
    rows, _ = without_overlap(source.train(), picker.fixed)
    return context.apply(source, rows[:limit], picker.pick)


@dataclass(slots=True)
class _Done:
    """What a part file holds: so many rows are answered, these lines are kept."""

    rows: int
    lines: list[str]
    counts: dict[str, int]
    key: str

    def save(self, part: Path) -> None:
        write_text(
            part, json.dumps({"key": self.key, "rows": self.rows, "counts": self.counts, "lines": self.lines})
        )


def _run_digest(settings: EvalSettings, asked: Sequence[Episode], n: int, keep: str) -> str:
    rows = [[row.id, row.taught] for row in asked]
    return digest([settings.request(), model_fingerprint(check_model(settings.model)), rows, n, keep])


def _read_part(part: Path, key: str) -> _Done:
    if part.is_file():
        found = json.loads(part.read_text(encoding="utf-8"))
        if found["key"] == key:
            return _Done(found["rows"], found["lines"], found["counts"], key)
    return _Done(0, [], {}, key)


def _write(
    settings: EvalSettings,
    spec: TaskSpec,
    todo: Sequence[Episode],
    part: Path,
    done: _Done,
    counts: Counts,
    n: int,
    keep: str,
) -> None:
    source = spec.open(chat=has_chat_template(settings.model))
    engine = open_engine(settings)
    with engine.serve() as lm, tqdm(total=len(todo) + done.rows, initial=done.rows, desc="answers") as bar:
        at = Circumstances(begun="" if lm.tokenizer.chat_template else ANSWER)
        for chunk in _chunks(todo):
            replies = _replies(lm, settings, chunk, n)
            for row, found in zip(chunk, replies, strict=True):
                for text, truncated in found:
                    counts.written += 1
                    counts.truncated += truncated
                    counts.empty += not text.strip()
                    if truncated or not text.strip():
                        continue
                    if keep == "correct" and judged(source, row, text, at) < 1:
                        counts.wrong += 1
                        continue
                    counts.kept += 1
                    done.lines.append(_line(row, text))
                    break
            done.rows += len(chunk)
            done.counts = {name: getattr(counts, name) for name in Counts.__slots__}
            done.save(part)
            bar.update(len(chunk))
    engine.close()


def _line(row: Episode, answer: str) -> str:
    return json.dumps({"id": row.id, "completion": answer}, ensure_ascii=False)


def _chunks(todo: Sequence[Episode]) -> Iterator[Sequence[Episode]]:
    for begin in range(0, len(todo), _CHUNK):
        yield todo[begin : begin + _CHUNK]


def _replies(
    lm: Any, settings: EvalSettings, chunk: Sequence[Episode], n: int
) -> list[list[tuple[str, bool]]]:
    """For each row its n answers, each with whether it was cut."""
    limit = settings.max_new_tokens or ROWS_TOKENS
    prompts = [
        render_prompt(
            lm.tokenizer,
            row.taught,
            enable_thinking=settings.enable_thinking,
            tools=row.tools,
            label=row.label,
        )
        for row in chunk
    ]
    found: list[list[tuple[str, bool]]] = [[] for _ in chunk]
    for draw in range(n):
        options: dict[str, Any] = {"until": [], "max_gen_toks": limit, "do_sample": n > 1}
        options |= {"temperature": 1.0} if n > 1 else {"temperature": 0.0}
        requests = [
            Instance("generate_until", {"id": row.id}, (prompt, options), 0)
            for row, prompt in zip(chunk, prompts, strict=True)
        ]
        if n > 1:
            _seed(f"{settings.seed}/{draw}/{chunk[0].id}")
        texts = lm.generate_until(requests, disable_tqdm=True)
        for place, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
            found[place].append((text, lm.recorder.replies[prompt].truncated))
    return found


def _seed(name: str) -> None:
    import torch

    torch.manual_seed(random.Random(name).getrandbits(63))
