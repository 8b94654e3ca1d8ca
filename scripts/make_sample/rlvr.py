"""RLVR-IFeval-like rows: every constraint function with a response that keeps it and one that breaks it.

The texts are those of `material/`; the shapes of the constraints are in `rlvr_shapes`.
"""

import json
import random
from collections.abc import Mapping
from typing import Any

from scripts.make_sample.ifeval_topics import load_topics
from scripts.make_sample.rlvr_case import Case, UnfitError
from scripts.make_sample.rlvr_shapes import SHAPES

Row = Mapping[str, Any]
ROWS_PER_FUNCTION = 6
ARGUMENTS = (
    "N", "quantifier", "end_phrase", "keyword_list", "word", "forbidden_words", "letter", "i", "first_word",
    "postscript_marker", "options", "section_splitter", "original_prompt", "language",
)  # fmt: skip


def build() -> list[Row]:
    """The rows, functions in turn, so that every prefix of the file is varied."""
    rng = random.Random(7)
    topics = load_topics("topics_train_a", "topics_train_b")
    rows: dict[str, Row] = {}
    for turn in range(ROWS_PER_FUNCTION):
        for place, name in enumerate(SHAPES):
            # 7 is prime to the number of topics, so a function meets different ones.
            start = place + 7 * turn
            for step in range(len(topics)):
                try:
                    case = SHAPES[name](topics[(start + step) % len(topics)], turn, rng)
                except UnfitError:
                    continue
                row = _row(name, case)
                if row["messages"][0]["content"] not in rows:
                    rows[row["messages"][0]["content"]] = row
                    break
            else:
                raise ValueError(f"no topic fits {name}")
    return list(rows.values())


def _row(name: str, case: Case) -> Row:
    unknown = set(case.arguments) - set(ARGUMENTS)
    if unknown:
        raise ValueError(f"{name}: unknown arguments {unknown}")
    truth = {"func_name": name} | {argument: case.arguments.get(argument) for argument in ARGUMENTS}
    return {
        "messages": [{"role": "user", "content": f"{case.ask} {case.constraint}"}],
        "ground_truth": json.dumps(truth, ensure_ascii=False),
        "dataset": "ifeval",
        "constraint_type": case.kind,
        "constraint": case.constraint,
        "satisfying": case.satisfying,
        "violating": case.violating,
    }
