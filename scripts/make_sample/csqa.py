"""CommonsenseQA-like rows: the hand-written questions of `material/csqa.txt`, options shuffled."""

import hashlib
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
MATERIAL = Path(__file__).parent / "material" / "csqa.txt"
LETTERS = "ABCDE"
TRAIN_ROWS = 100


def build() -> tuple[list[Row], list[Row]]:
    """The rows of the train and the validation split; every letter is right equally often in each."""
    rng = random.Random(5)
    questions = [
        [part.strip() for part in line.split("|")]
        for line in MATERIAL.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    rng.shuffle(questions)
    # Cutting at a multiple of five keeps the letters balanced.
    validation = questions[TRAIN_ROWS : len(questions) - len(questions) % len(LETTERS)]
    return _rows(questions[:TRAIN_ROWS], rng), _rows(validation, rng)


def _rows(questions: list[list[str]], rng: random.Random) -> list[Row]:
    keys = [LETTERS[index % len(LETTERS)] for index in range(len(questions))]
    rng.shuffle(keys)
    return [_row(fields, key, rng) for fields, key in zip(questions, keys, strict=True)]


def _row(fields: list[str], key: str, rng: random.Random) -> Row:
    concept, question, right, *wrong = fields
    if len(wrong) != len(LETTERS) - 1 or len({right, *wrong}) != len(LETTERS):
        raise ValueError(f"{MATERIAL.name}: {question!r} needs five different options.")
    rng.shuffle(wrong)
    texts = [*wrong]
    texts.insert(LETTERS.index(key), right)
    return {
        "id": hashlib.sha256(question.encode()).hexdigest()[:32],
        "question": question,
        "question_concept": concept,
        "choices": {"label": list(LETTERS), "text": texts},
        "answerKey": key,
    }
