"""IFEval-like rows: hand-written texts, shaped so that they keep the constraints of their prompts."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.make_sample.ifeval_measures import MEASURES
from scripts.make_sample.ifeval_phrases import request
from scripts.make_sample.ifeval_shapes import FRAMES, LAYOUTS, MARKS
from scripts.make_sample.ifeval_topics import Topic, load, load_topics, render

Row = Mapping[str, Any]
TRAIN_ROWS = 320
TEST_ROWS = 64
REPEAT = "combination:repeat_prompt"
LANGUAGE = "language:response_language"
FIXED = "detectable_format:constrained_response"
COMPOSED: tuple[str, ...] = (*LAYOUTS, *MARKS, *FRAMES, *MEASURES, REPEAT)
SECOND_CONSTRAINT = 0.6
LONGEST = 80

_WORDINGS = frozenset(["keywords:existence", "keywords:forbidden_words", "punctuation:no_comma"])
# What these may go with; anything else would break them or read oddly.
_ONLY_WITH: Mapping[str, frozenset[str]] = {
    "detectable_format:json_format": frozenset(["keywords:existence", "keywords:forbidden_words"]),
    "combination:two_responses": _WORDINGS,
    REPEAT: frozenset(["keywords:existence", "punctuation:no_comma", "detectable_format:title"]),
    "length_constraints:number_sentences": frozenset({*MEASURES, *MARKS}),
    # A title or a postscript would be a paragraph more.
    "length_constraints:nth_paragraph_first_word": frozenset(
        {*MEASURES, "change_case:english_capital", "change_case:english_lowercase", "startend:quotation"}
    ),
}
# At most one of each set.
_EXCLUSIVE: tuple[frozenset[str], ...] = (
    frozenset(LAYOUTS),
    frozenset(MARKS),
    frozenset(["detectable_content:postscript", "startend:end_checker"]),
    frozenset(["detectable_format:title", "startend:quotation"]),
    frozenset(["detectable_format:number_bullet_lists", "startend:quotation"]),
    frozenset(["change_case:english_capital", "change_case:english_lowercase",
               "change_case:capital_word_frequency", "detectable_format:multiple_sections"]),
    # Asterisks mean something else in each.
    frozenset(["detectable_format:number_highlighted_sections", "detectable_format:number_bullet_lists",
               "length_constraints:number_paragraphs"]),
)  # fmt: skip


class _Unfit(Exception):
    """This text cannot keep these constraints."""


def build() -> tuple[list[Row], list[Row]]:
    """The train rows (argilla's schema) and the test rows (google's); they share no topic."""
    rng = random.Random(25)
    languages, questions = load("languages"), load("questions")
    drafts = {}
    for split, files, rows in (
        ("train", ("topics_train_a", "topics_train_b"), TRAIN_ROWS),
        ("test", ("topics_test",), TEST_ROWS),
    ):
        special = [_language(entry, rng) for entry in languages[split]]
        special += [_fixed(entry, rng) for entry in questions[split]]
        drafts[split] = special + _composed(load_topics(*files), rows - len(special), rng)
        rng.shuffle(drafts[split])
    test_fields = ("prompt", "instruction_id_list", "kwargs")
    return (
        [{**row, **_verdicts(row), "key": 10_000 + n} for n, row in enumerate(drafts["train"])],
        [{"key": 20_000 + n, **{f: row[f] for f in test_fields}} for n, row in enumerate(drafts["test"])],
    )


def _verdicts(row: Row) -> Row:
    each = [True] * len(row["instruction_id_list"])
    return {
        "prompt_level_strict_acc": True,
        "inst_level_strict_acc": each,
        "prompt_level_loose_acc": True,
        "inst_level_loose_acc": each,
    }


def _language(entry: Mapping[str, str], rng: random.Random) -> Row:
    asked = request(LANGUAGE, {"language": entry["name"]}, rng)
    return _row(f"{entry['ask']} {asked}", entry.get("text", ""), {LANGUAGE: {"language": entry["language"]}})


def _fixed(entry: Mapping[str, str], rng: random.Random) -> Row:
    asked = request(FIXED, {}, rng)
    return _row(f"{entry['ask']} {asked}", f"My answer is {entry.get('answer', 'maybe')}.", {FIXED: {}})


def _row(prompt: str, response: str, constraints: Mapping[str, Mapping[str, Any]]) -> Row:
    return {
        "prompt": prompt,
        "response": response,
        "instruction_id_list": list(constraints),
        "kwargs": [dict(kwargs) for kwargs in constraints.values()],
    }


def _composed(topics: Sequence[Topic], count: int, rng: random.Random) -> list[Row]:
    """`count` rows that go through the topics and the constraints in turn, so that all occur alike."""
    rows: dict[str, Row] = {}
    while len(rows) < count:
        turn = len(rows)
        names = [COMPOSED[turn % len(COMPOSED)]]
        partners = [name for name in COMPOSED if compatible(names[0], name)]
        if rng.random() < SECOND_CONSTRAINT:
            names.append(rng.choice(partners))
        try:
            row = _compose(topics[turn % len(topics)], names, rng)
        except _Unfit:
            continue
        rows.setdefault(row["prompt"], row)
    return list(rows.values())


def compatible(one: str, other: str) -> bool:
    """Whether an answer can keep both constraints."""
    if one == other or any({one, other} <= together for together in _EXCLUSIVE):
        return False
    return all(b in _ONLY_WITH.get(a, {b}) for a, b in ((one, other), (other, one)))


def _compose(topic: Topic, names: Sequence[str], rng: random.Random) -> Row:
    """A prompt for `topic` with the constraints `names`, and an answer that keeps them."""
    text, constraints = _shape(topic, names, rng)
    for name in (name for name in names if name in MEASURES):
        arguments = MEASURES[name](text, topic, rng)
        if arguments is None:
            raise _Unfit
        constraints[name] = arguments
    order = rng.sample(sorted(constraints), len(constraints))
    constraints = {name: constraints[name] for name in order}
    join = rng.choice([" ", " ", "\n"])
    prompt = join.join([rng.choice(topic.asks), *(request(name, constraints[name], rng) for name in order)])
    if REPEAT in names:
        constraints[REPEAT] = {"prompt_to_repeat": prompt}
        text = f"{prompt}\n\n{text}"
        prompt = f"{prompt}\n{request(REPEAT, {}, rng)}"
    too_long = len(re.findall(r"\w+", text)) > LONGEST
    if too_long or ("punctuation:no_comma" in constraints and "," in text):
        raise _Unfit
    return _row(prompt, text, constraints)


def _shape(topic: Topic, names: Sequence[str], rng: random.Random) -> tuple[str, dict[str, dict[str, Any]]]:
    """The answer before anything is measured, and the arguments of the constraints that shaped it."""
    usable = [s for s in topic.text if "punctuation:no_comma" not in names or "," not in s]
    sentences = usable[: 3 if REPEAT in names else rng.randint(3, len(usable))]
    constraints: dict[str, dict[str, Any]] = {}
    marked = render(sentences)
    for name in (name for name in MARKS if name in names):
        marked, constraints[name] = MARKS[name](sentences, rng)
    text = " ".join(marked)
    for name in (name for name in LAYOUTS if name in names):
        text, constraints[name] = LAYOUTS[name](topic, marked, rng)
    for name in (name for name in FRAMES if name in names):
        text, constraints[name] = FRAMES[name](text, topic)
    return text, constraints
