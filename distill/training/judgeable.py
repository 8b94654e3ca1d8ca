"""Rows that GRPO can train on: what judges them has all that it needs."""

from collections.abc import Sequence

from lm_eval_tasks.episodes import Episode, Picker, Source
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.measured import judgement
from lm_eval_tasks.prompting.demonstrations import without_overlap, without_repeats
from lm_eval_tasks.sources.rows_source import JsonLinesSource
from lm_eval_tasks.sources.unjudged import refuse, unjudged

_TRIED = "?"
"""A reply that a scorer has to be able to judge, whatever it says of it."""


def rows_to_train(source: Source, picker: Picker, *, strict: bool) -> tuple[list[Episode], dict[str, int]]:
    """The rows to train on, and how many were left out for what reason."""
    rows, shown = without_overlap(source.train(), picker.fixed)
    rows, repeats = without_repeats(rows)
    ids = [id for member in source.members for id in unjudged(member, _of(member, rows))]
    if strict:
        refuse(source.name, ids, len(rows), option="strict")
    lost = frozenset(ids)
    rows = [row for row in rows if row.id not in lost]
    counts = {
        "evaluated": source.left_out["evaluated"],
        "demonstrations": shown,
        "repeated": repeats,
        "cannot be judged": len(ids),
    }
    if not rows:
        raise UserError(
            f"{source.name}: no row is left to train on ("
            + ", ".join(f"{reason}: {count}" for reason, count in counts.items())
            + "); give more, or lower num_fewshot."
        )
    return rows, counts


def _of(member: Source, rows: Sequence[Episode]) -> list[Episode]:
    return [row for row in rows if row.source == member.name]


def check_judged(source: Source, rows: Sequence[Episode]) -> None:
    """See that every row has what its metric needs, and that the scorer judges the first one.

    Raises:
        UserError: a row, counted with those like it, is unlabelled; or the scorer fails or judges no text.
    """
    if not rows:
        return
    first = rows[0]
    member = next((one for one in source.members if one.name == first.source), source)
    if isinstance(member, JsonLinesSource) and member.metric is not None:
        unlabelled = [(row, why) for row in rows if (why := _lacking(member, row))]
        if unlabelled:
            row, why = unlabelled[0]
            raise UserError(
                f"{member.name}: {len(unlabelled)} of {len(rows)} rows cannot be judged by the metric "
                f"{member.metric.spec!r}, the first being {row.id!r}: {why} Label them, remove them, or name "
                "a metric that needs no label."
            )
    reply = first.completion if first.completion is not None else _TRIED
    if error := judgement(source, first, reply).error:
        raise UserError(
            f"{source.name}: judging row {first.id!r}, its own answer as the reply: {error}. Mend the scorer."
        )


def _lacking(member: JsonLinesSource, row: Episode) -> str | None:
    """Why no reply to a row can be judged."""
    assert member.metric is not None
    try:
        member.metric.check(row.reference)
    except UserError as error:
        return str(error)
    return None
