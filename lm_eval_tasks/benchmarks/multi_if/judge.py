"""Responses to turns of Multi-IF in a file, judged."""

import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.judge import IFEvalJudge, data_file
from lm_eval_tasks.benchmarks.ifeval.metrics import LEVELS
from lm_eval_tasks.benchmarks.ifeval.prompt_index import IndexedPrompt
from lm_eval_tasks.benchmarks.multi_if.constraints import judged_as, reported_as
from lm_eval_tasks.benchmarks.multi_if.rows import NAME, TURNS, turn_alone, turns_of_dialogue
from lm_eval_tasks.episodes import Episode, fingerprint
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_json_lines
from lm_eval_tasks.scorefile.judging import Judged
from lm_eval_tasks.scorefile.records import Record

DATASET = "facebook/Multi-IF"


def make_turn_judge(data: Path | None) -> "TurnJudge":
    """The judge; `data`: the dialogues, None: those of the folder that `ICL_DATA_DIR` names, if it is set.

    Raises:
        UserError: unusable data file.
    """
    data = data_file(data, NAME)
    return TurnJudge(_read_turns(data) if data else None)


class TurnJudge(IFEvalJudge):
    """See `Judge`: IFEval's, for the turn that a row names, with the same accuracies of each turn."""

    metrics = (*LEVELS, *(f"turn_{turn}_{level}" for turn in TURNS for level in LEVELS))

    def __init__(self, turns: Mapping[str, Episode] | None) -> None:
        """`turns`: those of the data by their ids, `key/turn`; None: rows carry their instructions."""
        super().__init__(None, DATASET)
        self._turns = turns

    def judge(self, record: Record) -> Judged:
        """See `Judge`; a dialogue is a cluster."""
        turn = _turn_of(record.fields)
        judged = super().judge(record)
        own = {f"turn_{turn}_{level}": judged.scores[level] for level in LEVELS}
        return replace(
            judged,
            verdict={"key": judged.verdict["key"], "turn": turn, **judged.verdict},
            scores={**judged.scores, **own},
            parts=tuple((reported_as(name), levels) for name, levels in judged.parts),
        )

    def failed(self, error: str) -> Judged:
        """A failed prompt with one failed instruction, of no turn: nobody knows which."""
        judged = super().failed(error)
        return replace(judged, verdict={"key": None, "turn": None, **judged.verdict})

    def about_data(self) -> dict[str, Any]:
        """See `Judge`."""
        said = super().about_data()
        if self._turns is not None:
            turns = list(self._turns.values())
            said["data"] = {"turns": len(turns), "fingerprint": fingerprint(turns)}
        return said

    def summarise(self, metrics: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
        """See `Judge`; a turn's overall accuracy is the mean of its four, as Multi-IF reports it."""
        overall = {
            f"turn_{turn}_overall": _mean([metrics[f"turn_{turn}_{level}"]["value"] for level in LEVELS])
            for turn in TURNS
        }
        return {**overall, **super().summarise(metrics, parts)}

    def _prompt(self, fields: Mapping[str, Any]) -> IndexedPrompt:
        turn, key = _turn_of(fields), fields.get("key")
        if key is None:
            raise UserError("needs a field 'key', the name of its dialogue.")
        ids, kwargs, text = fields.get("instruction_id_list"), fields.get("kwargs"), fields.get("prompt", "")
        if ids is None or kwargs is None:
            episode = self._find(f"{key}/{turn}")
            ids, kwargs = episode.reference["instruction_id_list"], episode.reference["kwargs"]
            text = episode.question
        # What is no list of ids is refused by the checkers.
        return IndexedPrompt(key, str(text), judged_as(ids) if isinstance(ids, list) else ids, kwargs)

    def _find(self, id: str) -> Episode:
        if self._turns is None:
            raise self._no_data()
        if id not in self._turns:
            raise UserError(f"fields 'key' and 'turn': {id!r} is no turn of the data.")
        return self._turns[id]


def _read_turns(path: Path) -> dict[str, Episode]:
    """The turns of a file of dialogues by their ids.

    Raises:
        UserError: it is missing, malformed, or a key occurs twice.
    """
    if not path.is_file():
        raise UserError(f"--data: {path} does not exist; it must be {DATASET} as JSON lines.")
    found: dict[str, Episode] = {}
    for where, row in read_json_lines(path):
        for one in turns_of_dialogue(row):
            if "turn" not in one:
                raise UserError(f"{where}: no field 'turn_1_prompt', so that it is no dialogue of {DATASET}.")
            episode = turn_alone(row, one["turn"], where)
            if episode.id in found:
                raise UserError(f"{where}: field 'key' {row.get('key')!r} occurs twice.")
            found[episode.id] = episode
    return found


def _turn_of(fields: Mapping[str, Any]) -> int:
    turn = fields.get("turn")
    if isinstance(turn, bool) or turn not in TURNS:
        raise UserError(
            f"field 'turn' must be {', '.join(map(str, TURNS[:-1]))} or {TURNS[-1]}, not {turn!r:.60}."
        )
    return int(turn)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None
