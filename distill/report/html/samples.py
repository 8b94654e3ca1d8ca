"""What the sample browser shows: a bounded choice of prompts, each with all conditions' responses."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from distill.evaluation.result import Rows
from distill.report.entries import Entry, metric_heading, shown_metrics, title_of
from distill.report.html.job import role_of
from distill.report.labels import model_name, plain_name
from distill.report.markdown import Report
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.scoring.names import DIAGNOSTICS

Row = Mapping[str, Any]
Json = dict[str, Any]

SEED = 42
MAX_PROMPTS = 200
"""Of one benchmark and model."""
MAX_TEXT = 6_000_000
"""Characters of all responses together: a page of this size opens at once."""
_HEAD, _TAIL = 4000, 1000
"""Characters that are shown of a longer response."""


def sample_groups(report: Report) -> list[Json]:
    """One per model and benchmark with logged rows: its subjects and the chosen prompts."""
    places = [(model, name) for model, groups in report.models.items() for name in groups]
    found = []
    for model, benchmark in places:
        entries = report.side_by_side(report.models[model][benchmark])
        logs = [(entry, rows) for entry in entries if (rows := report.logs.rows(entry))]
        if logs:
            found.append(_group(model, logs, budget=MAX_TEXT // len(places)))
    if len(report.models) > 1:
        for group in found:
            group["task"] += f", {group['model']}"
    return found


def _group(model: str, logs: Sequence[tuple[Entry, Rows]], *, budget: int) -> Json:
    first = logs[0][0]
    prompts = [_prompt(key, logs) for key in logs[0][1]]
    differing = [prompt for prompt in prompts if prompt["differs"]]
    agreeing = [prompt for prompt in prompts if not prompt["differs"]]
    chosen = _choose(differing, agreeing, logs, budget)
    for prompt in chosen:
        asked = [(entry, rows.get(prompt["id"])) for entry, rows in logs]
        prompt["answers"] = [
            _answer(entry, row) if row and _text(row["question"]) == prompt["question"] else None
            for entry, row in asked
        ]
    return {
        "task": title_of(first),
        "benchmark": first["benchmark"],
        "model": model_name(model),
        "subjects": [
            {"name": plain_name(entry), "condition": entry["condition"], "role": role_of(entry)}
            for entry, _ in logs
        ],
        "shared": next((shared for entry, _ in logs if (shared := entry["prompts"].get("shared"))), None),
        "total": len(prompts),
        "differing": len(differing),
        "prompts": chosen,
    }


def _prompt(key: str, logs: Sequence[tuple[Entry, Rows]]) -> Json:
    row = logs[0][1][key]
    verdicts = {str(_verdict(entry, rows[key])) for entry, rows in logs if key in rows}
    return {
        "id": key,
        "question": _text(row["question"]),
        "target": _text(row["target"]),
        "differs": len(verdicts) > 1,
    }


def _verdict(entry: Entry, row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in shown_metrics(entry))


def _text(value: Any) -> str:
    """A text as it is; other JSON as JSON, and nothing of null."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _choose(
    differing: list[Json], agreeing: list[Json], logs: Sequence[tuple[Entry, Rows]], budget: int
) -> list[Json]:
    """Those where conditions differ first, each kind drawn without regard to place, until the room is full.

    They come out in the order of the data, those that differ first.
    """
    order = random.Random(SEED)
    drawn = order.sample(differing, len(differing)) + order.sample(agreeing, len(agreeing))
    kept: set[str] = set()
    for prompt in drawn[:MAX_PROMPTS]:
        texts = (_text(rows[prompt["id"]]["response"]) for _, rows in logs if prompt["id"] in rows)
        budget -= sum(min(len(text), _HEAD + _TAIL) for text in texts)
        if kept and budget < 0:
            break
        kept.add(prompt["id"])
    return [prompt for prompt in differing + agreeing if prompt["id"] in kept]


def _answer(entry: Entry, row: Row) -> Json:
    """One response with its verdicts; `kept` holds, per instruction, its id, strict and loose.

    `answer` is there where the task's scorer extracts one; `second` is the second metric's name and value,
    where it is one value as well.
    """
    known = BENCHMARKS.get(entry["benchmark"])
    first, *others = shown_metrics(entry)
    text = _text(row["response"])
    found: Json = {"text": text, "tokens": row.get("response_tokens"), **_judged(row.get(first))}
    if len(text) > _HEAD + _TAIL:
        found |= {"text": text[:_HEAD], "left_out": len(text) - _HEAD - _TAIL, "tail": text[-_TAIL:]}
    found["flags"] = [one.words for name, one in DIAGNOSTICS.items() if row.get(name)]
    if levels := [row[name] for name in entry["metrics"] if isinstance(row.get(name), list)]:
        strict, loose = levels[0], levels[-1] if len(levels[-1]) == len(levels[0]) else levels[0]
        ids = row.get("instruction_id_list") or []
        ids = ids if len(ids) == len(strict) else ["instruction"] * len(strict)
        return found | {"kept": [list(one) for one in zip(ids, strict, loose, strict=True)]}
    if known and known.extract:
        found["answer"] = known.extract(row)
    if others:
        found["second"] = {"name": metric_heading(entry, others[-1]), **_judged(row.get(others[-1]))}
    return found


def _judged(value: Any) -> Json:
    """Whether a value is right in full, and in words what a verdict alone does not say."""
    parts = [float(one or 0) for one in (value if isinstance(value, list) else [value])]
    score = sum(parts) / len(parts) if parts else 0.0
    words = None if isinstance(value, list) or score in (0, 1) else f"score {score:.2f}"
    return {"right": score == 1, "words": words}
