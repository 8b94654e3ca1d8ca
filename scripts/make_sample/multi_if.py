"""Multi-IF-like dialogues: three turns, each of which adds a constraint, and answers that keep all so far."""

import json
import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from scripts.make_sample.ifeval import compatible
from scripts.make_sample.ifeval_phrases import request
from scripts.make_sample.ifeval_shapes import FRAMES, LAYOUTS, MARKS
from scripts.make_sample.ifeval_topics import Topic, load_topics, render

Row = Mapping[str, Any]
DIALOGUES = 24
TURNS = 3
NO_COMMA = "punctuation:no_comma"
FORBIDDEN = "keywords:forbidden_words"
_SHAPES = [*LAYOUTS, *MARKS]
# Versions of one text keep the arguments of these, whatever is added later.
_ADDED = [*FRAMES, NO_COMMA, FORBIDDEN]
_UNSUITED = frozenset(["detectable_format:json_format", "combination:two_responses"])
_AGAIN = (
    ("Good. Now change one thing. {}", "Thanks. Write it again. {}", "Please revise that. {}"),
    ("One last wish. {}", "Nearly there. {} All that I asked for before still holds.", "And finally: {}"),
)


def build() -> list[Row]:
    """The dialogues, in the schema of facebook/Multi-IF with the recorded answers as further columns."""
    rng = random.Random(26)
    topics = load_topics("topics_test")
    shapes = [name for name in _SHAPES if name not in _UNSUITED]
    rows: list[Row] = []
    while len(rows) < DIALOGUES:
        turn = len(rows)
        names = [shapes[turn % len(shapes)], *rng.sample(_ADDED, TURNS - 1)]
        topic = topics[turn % len(topics)]
        sentences = [one for one in topic.text if NO_COMMA not in names or "," not in one]
        if len(sentences) < TURNS or not all(compatible(*pair) for pair in combinations(names, 2)):
            continue
        rng.shuffle(names)
        rows.append(_dialogue(40_000 + turn, topic, sentences, names, rng))
    return rows


def _dialogue(key: int, topic: Topic, sentences: list[str], names: Sequence[str], rng: random.Random) -> Row:
    seed = rng.random()
    row: dict[str, Any] = {"key": f"{key}:1:en", "language": "English"}
    for turn in range(1, TURNS + 1):
        text, constraints = _version(topic, sentences, names[:turn], seed)
        added = request(names[turn - 1], constraints[names[turn - 1]], rng)
        asked = (
            rng.choice(_AGAIN[turn - 2]).format(added) if turn > 1 else f"{rng.choice(topic.asks)} {added}"
        )
        row |= {
            f"turn_{turn}_prompt": json.dumps({"role": "user", "content": asked}),
            f"turn_{turn}_instruction_id_list": json.dumps(names[:turn]),
            f"turn_{turn}_kwargs": json.dumps([json.dumps(constraints[name]) for name in names[:turn]]),
            f"turn_{turn}_response": text,
        }
    return row


def _version(
    topic: Topic, sentences: list[str], names: Sequence[str], seed: float
) -> tuple[str, dict[str, dict[str, Any]]]:
    """The text with the constraints `names`; the same seed gives each of them the same arguments."""
    constraints: dict[str, dict[str, Any]] = {NO_COMMA: {}, FORBIDDEN: {"forbidden_words": topic.forbidden}}
    marked = render(sentences)
    for name in (name for name in MARKS if name in names):
        marked, constraints[name] = MARKS[name](sentences, random.Random(seed))
    text = " ".join(marked)
    for name in (name for name in LAYOUTS if name in names):
        text, constraints[name] = LAYOUTS[name](topic, marked, random.Random(seed))
    for name in (name for name in FRAMES if name in names):
        text, constraints[name] = FRAMES[name](text, topic)
    return text, constraints
