"""IFBench-like rows: a hand-written question and one or two of the 58 constraints in our own words."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
MATERIAL = Path(__file__).parent / "material" / "ifbench.json"
FIRST_KEY = 30_000


def build() -> list[Row]:
    """A row for each constraint, and some with two, in the schema of allenai/IFBench_test."""
    material = json.loads(MATERIAL.read_text(encoding="utf-8"))
    constraints = {entry[0]: entry for entry in material["constraints"]}
    chosen = [[name] for name in constraints] + material["pairs"]
    asks = material["asks"]
    return [
        _row(FIRST_KEY + turn, asks[turn % len(asks)], [constraints[name] for name in names])
        for turn, names in enumerate(chosen)
    ]


def _row(key: int, ask: str, entries: Sequence[Sequence[Any]]) -> Row:
    """A constraint has a wording that follows a question, or is one with its question (the fourth entry)."""
    whole = [entry[3] for entry in entries if len(entry) > 3]
    return {
        "key": str(key),
        "prompt": whole[0] if whole else " ".join([ask, *(entry[2] for entry in entries)]),
        "instruction_id_list": [entry[0] for entry in entries],
        "kwargs": [entry[1] for entry in entries],
    }
