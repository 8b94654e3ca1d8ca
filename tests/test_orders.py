"""The demo's own data, `configs/orders/`: what is claimed of it is true."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scripts.make_sample import orders

FOLDER = Path(__file__).resolve().parents[1] / "configs" / "orders"
WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20,
}  # fmt: skip
COLUMNS = {
    "demonstrations": (8, {"id", "prompt", "completion"}),
    "inputs": (240, {"id", "prompt"}),
    "eval": (120, {"id", "prompt", "completion", "phrasing"}),
}


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


def normal(text: str) -> str:
    return " ".join(text.casefold().split())


def read(prompt: str) -> tuple[str, tuple[str, int, str, str], bool]:
    """Phrasing, order, and whether its number is in digits; read from the sentence itself."""
    found = []
    for phrasing in (*orders.SEEN, *orders.UNSEEN):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\w+)", re.escape(phrasing))
        if match := re.fullmatch(pattern, prompt):
            number = match["quantity"]
            quantity = int(number) if number.isdigit() else WORDS[number.lower()]
            order = (match["item"], quantity, match["customer"], match["city"])
            found.append((phrasing, order, number.isdigit()))
    assert len(found) == 1, f"{prompt!r} is read in {len(found)} ways"
    return found[0]


@pytest.mark.parametrize("name", COLUMNS)
def test_size_columns_and_ids(name: str) -> None:
    count, columns = COLUMNS[name]
    found = rows(name)
    assert len(found) == len({row["id"] for row in found}) == count
    assert all(set(row) == columns for row in found)


@pytest.mark.parametrize("name", ["demonstrations", "eval"])
def test_completion_is_the_order_on_one_line_of_json(name: str) -> None:
    for row in rows(name):
        item, quantity, customer, city = read(row["prompt"])[1]
        expected = {"item": item, "quantity": quantity, "customer": customer, "city": city}
        assert row["completion"] == json.dumps(expected)


def test_no_prompt_and_no_order_stands_twice() -> None:
    prompts = [row["prompt"] for name in COLUMNS for row in rows(name)]
    assert max(Counter(map(normal, prompts)).values()) == 1
    assert max(Counter(read(prompt)[1] for prompt in prompts).values()) == 1


def test_phrasing_is_unseen_where_no_input_and_no_demonstration_uses_it() -> None:
    used = {read(row["prompt"])[0] for name in ("demonstrations", "inputs") for row in rows(name)}
    asked = {"seen": Counter[str](), "unseen": Counter[str]()}
    for row in rows("eval"):
        asked[row["phrasing"]][read(row["prompt"])[0]] += 1
    assert set(asked["seen"]) == used and len(used) == 6
    assert not set(asked["unseen"]) & used and len(asked["unseen"]) >= 4
    assert asked["seen"].total() == asked["unseen"].total() == 60


@pytest.mark.parametrize("name", COLUMNS)
def test_numbers_stand_in_words_and_in_digits(name: str) -> None:
    digits = [read(row["prompt"])[2] for row in rows(name)]
    assert digits.count(True) * 2 == len(digits)


def test_demonstrations_are_varied_and_copying_them_is_never_right() -> None:
    shown = [read(row["prompt"]) for row in rows("demonstrations")]
    assert len({phrasing for phrasing, _, _ in shown}) >= 5
    others = [read(row["prompt"])[1] for name in ("inputs", "eval") for row in rows(name)]
    for field in (2, 3):
        named = {order[field] for _, order, _ in shown}
        assert len(named) == 8 and not named & {order[field] for order in others}
