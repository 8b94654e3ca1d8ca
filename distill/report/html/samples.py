"""What the sample browser shows: a bounded choice of prompts, each with all conditions' responses."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from distill.report.html.answers import extracted
from distill.report.labels import BENCHMARK_NAMES, Entry, model_name, shown_metrics, subject_name
from distill.report.markdown import Report
from distill.report.paired import Rows

Row = Mapping[str, Any]
Json = dict[str, Any]

SEED = 42
MAX_PROMPTS = 200
"""Of one benchmark and model."""
MAX_TEXT = 6_000_000
"""Characters of all responses together: a page of this size opens at once."""
_HEAD, _TAIL = 4000, 1000
"""Characters that are shown of a longer response."""
_FLAGS = {
    "truncated": "cut at the token limit",
    "no_answer": "no answer found",
    "empty": "empty",
    "unclosed_think": "thinking never closed",
    "looping": "looping",
    "timed_out": "verification timed out",
    "scorer_error": "scorer failed: counts as wrong",
}


def sample_groups(report: Report) -> list[Json]:
    """One per model and benchmark with logged rows: its subjects and the chosen prompts."""
    places = [(model, name) for model, groups in report.models.items() for name in groups]
    found = []
    for model, benchmark in places:
        entries = report.side_by_side(report.models[model][benchmark])
        logs = [(entry, rows) for entry in entries if (rows := report.logs.rows(entry))]
        if logs:
            found.append(_group(model, benchmark, logs, budget=MAX_TEXT // len(places)))
    if len(report.models) > 1:
        for group in found:
            group["task"] += f", {group['model']}"
    return found


def _group(model: str, benchmark: str, logs: Sequence[tuple[Entry, Rows]], *, budget: int) -> Json:
    prompts = [_prompt(benchmark, key, logs) for key in logs[0][1]]
    differing = [prompt for prompt in prompts if prompt["differs"]]
    agreeing = [prompt for prompt in prompts if not prompt["differs"]]
    chosen = _choose(differing, agreeing, logs, budget)
    for prompt in chosen:
        rows = [rows.get(prompt["id"]) for _, rows in logs]
        asked = [row if row and row["question"] == prompt["question"] else None for row in rows]
        prompt["answers"] = [_answer(benchmark, row) if row else None for row in asked]
    return {
        "task": BENCHMARK_NAMES[benchmark],
        "benchmark": benchmark,
        "model": model_name(model),
        "subjects": [{"name": subject_name(entry), "condition": entry["condition"]} for entry, _ in logs],
        "total": len(prompts),
        "differing": len(differing),
        "prompts": chosen,
    }


def _prompt(benchmark: str, key: str, logs: Sequence[tuple[Entry, Rows]]) -> Json:
    row = logs[0][1][key]
    verdicts = {str(_verdict(benchmark, rows[key])) for _, rows in logs if key in rows}
    return {
        "id": key,
        "question": row["question"],
        "target": row["target"],
        "differs": len(verdicts) > 1,
    }


def _verdict(benchmark: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in shown_metrics(benchmark))


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
        texts = (rows[prompt["id"]]["response"] for _, rows in logs if prompt["id"] in rows)
        budget -= sum(min(len(text), _HEAD + _TAIL) for text in texts)
        if kept and budget < 0:
            break
        kept.add(prompt["id"])
    return [prompt for prompt in differing + agreeing if prompt["id"] in kept]


def _answer(benchmark: str, row: Row) -> Json:
    """One response with its verdicts; `kept` holds, per instruction, its id, strict and loose."""
    main, second = shown_metrics(benchmark)
    text = row["response"]
    found: Json = {"text": text, "tokens": row["response_tokens"], "right": row[main]}
    if len(text) > _HEAD + _TAIL:
        found |= {"text": text[:_HEAD], "left_out": len(text) - _HEAD - _TAIL, "tail": text[-_TAIL:]}
    found["flags"] = [words for name, words in _FLAGS.items() if row.get(name)]
    if benchmark == "ifeval":
        ids = row.get("instruction_id_list") or ["instruction"] * len(row[second])
        levels = (ids, row["inst_level_strict_acc"], row["inst_level_loose_acc"])
        found["kept"] = [list(one) for one in zip(*levels, strict=True)]
    else:
        found |= {"flexible": row[second], "answer": extracted(benchmark, row)}
    return found
