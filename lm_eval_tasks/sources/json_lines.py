"""Rows of one's own: JSON lines as a source. Columns: see `lm_eval_tasks.sources.row_format`."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.metric import resolve_metric
from lm_eval_tasks.episodes import Episode, same_question
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.files import read_json_lines
from lm_eval_tasks.scoring.named import NamedMetric
from lm_eval_tasks.sources.row_format import parse_row
from lm_eval_tasks.sources.rows_source import JsonLinesSource
from lm_eval_tasks.sources.splitting import Placed, hold_out

logger = logging.getLogger(__name__)

DEFAULT_METRIC = "exact_match"


def read_episodes(path: Path | str, name: str) -> list[Episode]:
    """The episodes of a file of JSON lines, in its order.

    Args:
        path: The file.
        name: The source's name.

    Raises:
        UserError: no such file, no row in it, a row that cannot be used, or two rows of one id.
    """
    return [row.episode for row in _read(path, name)]


def open_json_lines(
    path: Path | str | None = None,
    *,
    inputs: Path | str | None = None,
    evaluation: Path | str | None = None,
    demonstrations: Path | str | None = None,
    tools: Path | str | None = None,
    metric: str | None = None,
    name: str | None = None,
    max_new_tokens: int | None = None,
    split: bool = False,
) -> JsonLinesSource:
    """A source of rows of one's own.

    Args:
        path: Rows to learn from; demonstrations are drawn from the labelled ones if no file lists any.
        inputs: Rows to learn from, labelled or not; in the place of `path`.
        evaluation: Rows that are judged.
        demonstrations: Solved rows that a prompt may show, in this order.
        tools: A JSON file of tools that all evaluated rows without their own have.
        metric: See `lm_eval_tasks.benchmarks.metric`; default: `exact_match`.
        name: As results name it; default: the name of the first file given.
        max_new_tokens: Longest answer.
        split: Whether some of the rows to learn from are judged, as no other are; see `splitting.hold_out`.

    Raises:
        UserError: a file or row that cannot be used; a demonstration without a completion; a demonstration or
            input that stands among the evaluated rows; no label where the metric needs one.
    """
    if path is not None and inputs is not None:
        raise UserError(
            f"rows to learn from are named twice: {path} and --inputs {inputs}. Keep one of them."
        )
    first = next((given for given in (path, evaluation, inputs, demonstrations) if given is not None), None)
    if first is None:
        raise UserError("no file of JSON lines was named; give at least one of PATH, --eval and --inputs.")
    name = name or Path(first).stem
    learned, evaluated, shown = (
        _read(given, name) if given is not None else []
        for given in (path or inputs, evaluation, demonstrations)
    )
    for row in shown:
        if row.episode.completion is None:
            raise UserError(
                f"{row.where} is a demonstration without a completion; add its answer, or remove it."
            )
    judge = resolve_metric(metric or DEFAULT_METRIC) if metric or evaluated or split else None
    dropped = 0
    if split and judge is not None and not evaluated:
        learned, evaluated, dropped = hold_out(learned, judge, shown, where=str(path or inputs))
    _refuse_evaluated(shown, evaluated, "demonstration")
    _refuse_evaluated(learned, evaluated, "row to learn from")
    if judge is not None:
        _check_labels(evaluated, judge)
    shared = _read_tools(tools) if tools is not None else None
    kept = _without(learned, shown)
    if learned and not kept:
        raise UserError(
            f"{path or inputs}: every row is one of the demonstrations; give others to learn from."
        )
    return JsonLinesSource(
        name=name,
        metric=judge,
        num_fewshot=len(shown),
        demonstrations=tuple(row.episode for row in shown),
        dropped_inputs=len(learned) - len(kept),
        dropped_evaluated=dropped,
        unlabelled=str(path or inputs) if split and not evaluated else None,
        _inputs=tuple(row.episode for row in kept),
        _evaluated=tuple(_with_tools(row.episode, shared) for row in evaluated),
        data=str(evaluation or path or inputs or ""),
        pool_data=str(demonstrations or ""),
        max_new_tokens=max_new_tokens,
    )


def _with_tools(episode: Episode, shared: tuple[Mapping[str, Any], ...] | None) -> Episode:
    return episode if shared is None or episode.tools else replace(episode, tools=shared)


def _read_tools(path: Path | str) -> tuple[Mapping[str, Any], ...]:
    try:
        tools = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the tools of the rows, {path} ({error}).") from None
    check(isinstance(tools, list), str(path), tools, "it must be a list of tool schemas")
    return tuple(tools)


def _read(path: Path | str, name: str) -> list[Placed]:
    rows: list[Placed] = []
    first: dict[str, str] = {}
    for number, (where, row) in enumerate(read_json_lines(Path(path))):
        episode = parse_row(row, where, source=name, number=number)
        if (earlier := first.setdefault(episode.id, where)) != where:
            raise UserError(f"{where} has the id {episode.id!r} of {earlier}; every row needs its own.")
        rows.append(Placed(where, episode))
    if not rows:
        raise UserError(f"{path} holds no row; give JSON lines, each an object with a field 'prompt'.")
    return rows


def _refuse_evaluated(rows: Sequence[Placed], evaluated: Sequence[Placed], what: str) -> None:
    """Evaluated answers must not be known: every question that stands in both is a leak."""
    asked = {same_question(row.episode.question): row.where for row in evaluated}
    found = [(row, asked[form]) for row in rows if (form := same_question(row.episode.question)) in asked]
    if found:
        row, where = found[0]
        more = f" (and {len(found) - 1} more rows like it)" if len(found) > 1 else ""
        raise UserError(
            f"{row.where} is a {what} and asks what {where} evaluates{more}: {row.episode.question!r:.60}. "
            "Remove it from one of the files."
        )


def _check_labels(evaluated: Sequence[Placed], metric: NamedMetric) -> None:
    for row in evaluated:
        try:
            metric.check(row.episode.reference)
        except UserError as error:
            raise UserError(f"{row.where}, metric {metric.spec!r}: {error}") from None


def _without(learned: list[Placed], shown: Sequence[Placed]) -> list[Placed]:
    """The rows that no demonstration asks."""
    questions = {same_question(row.episode.question) for row in shown}
    kept = [row for row in learned if same_question(row.episode.question) not in questions]
    if dropped := len(learned) - len(kept):
        logger.warning("%d rows to learn from are demonstrations and left out", dropped)
    return kept
