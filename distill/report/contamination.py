"""What the run's overlap stage found, as a section of the report."""

import json
from collections.abc import Sequence
from pathlib import Path

from distill.evaluation.data_overlap import OVERLAP_FILE, SCHEMA, overlap_table
from lm_eval_tasks.errors import UserError

NOTE = (
    "Word n-grams that training rows and demonstrations share with what is tested (`icl-distill data "
    f"overlap`); the pairs are in `{OVERLAP_FILE}`."
)


def overlap_parts(run_dirs: Sequence[Path]) -> list[str]:
    """A table for each run that compared its data.

    Raises:
        UserError: a file is not one of `icl-distill data overlap`.
    """
    tables = [_table(path) for folder in run_dirs if (path := folder / OVERLAP_FILE).is_file()]
    return [*tables, NOTE] if tables else []


def _table(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema is {found['schema']!r}")
        return overlap_table(found, worst=0)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not a file of 'icl-distill data overlap' ({error!r}): delete it and run that command "
            "again."
        ) from None
