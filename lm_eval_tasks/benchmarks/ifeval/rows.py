"""Rows of google/IFEval and of argilla/ifeval-like-data -> episodes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval_tasks.benchmarks.definition import Role
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import text_field


def parse_ifeval(row: Mapping[str, Any], id: str, where: str, *, source: str = "ifeval") -> Episode:
    """`prompt`, `instruction_id_list`, `kwargs`; training rows (argilla) add `response`.

    The episode's id is the row's `key`, where there is one. The arguments stay one JSON text, since Arrow
    would fill in nulls.
    """
    ids = row.get("instruction_id_list")
    if not isinstance(ids, list) or not ids or not all(isinstance(name, str) for name in ids):
        raise UserError(f"{where}: field 'instruction_id_list' must be a list of names, not {ids!r:.80}.")
    kwargs = _instruction_kwargs(row.get("kwargs"), where)
    if len(kwargs) != len(ids):
        raise UserError(f"{where}: field 'kwargs' has {len(kwargs)} entries for {len(ids)} instructions.")
    response = text_field(row, "response", where) if row.get("response") is not None else None
    prompt = text_field(row, "prompt", where)
    return Episode(
        source=source,
        id=str(row.get("key", id)),
        # It states its constraints itself; anything added could break one.
        prompt=({"role": "user", "content": prompt},),
        label="",
        question=prompt,
        completion=response,
        reference={"instruction_id_list": ids, "kwargs": json.dumps(kwargs, ensure_ascii=False)},
    )


def is_compliant(row: Mapping[str, Any]) -> bool:
    """Whether a training row is marked as keeping all its constraints."""
    return row.get("prompt_level_strict_acc", True) is True


def describe_instructions(
    role: Role, rows: Sequence[Mapping[str, Any]], episodes: Sequence[Episode]
) -> list[str]:
    """See `Benchmark.describe`."""
    kinds = Counter(name for row in episodes for name in row.reference["instruction_id_list"])
    lines = [f"{sum(kinds.values())} instructions of {len(kinds)} types"]
    if role == "train":
        compliant = sum(is_compliant(row) for row in rows)
        lines.insert(0, f"compliant (prompt_level_strict_acc): {compliant} of {len(rows)}")
    return lines


def _instruction_kwargs(value: Any, where: str) -> list[dict[str, Any]]:
    """A list of mappings, or the same as one JSON string; nulls are dropped, zero and false stay."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise UserError(f"{where}: field 'kwargs' is not readable as JSON ({error}).") from None
    if not isinstance(value, list) or not all(isinstance(entry, Mapping | None) for entry in value):
        raise UserError(f"{where}: field 'kwargs' must be a list of objects, not {value!r:.80}.")
    return [{k: v for k, v in (entry or {}).items() if v is not None} for entry in value]
