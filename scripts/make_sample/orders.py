"""Orders to JSON: the job that the demo bakes, with demonstrations, unlabelled inputs and labelled test rows.

A customer's sentence becomes one line of JSON. Nothing in the sentence says so: a model that has not seen the
demonstrations cannot know which fields are wanted, so what it answers right it has from them.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Row = Mapping[str, Any]
INPUTS = 240
EVALUATION_PER_PHRASING = {"seen": 10, "unseen": 12}

SEEN = (
    "Hi, this is {customer} from {city}. I would like to order {quantity} {item}, please.",
    "Please send {quantity} {item} to {customer} in {city}.",
    "My name is {customer} and I live in {city}. Can I have {quantity} {item}?",
    "{customer} from {city} wants to buy {quantity} {item}.",
    "Good morning from {city}! {customer} here, I need {quantity} {item}.",
    "We got a call from {city}: {quantity} {item} for {customer}.",
)
"""Phrasings of inputs, of demonstrations and of half the test rows."""

UNSEEN = (
    "Can {customer} in {city} get {quantity} {item} by Friday?",
    "Hello, I am {customer}. Could you ship {quantity} {item} to {city}?",
    "{quantity} {item} are what {customer} ordered from our shop in {city}.",
    "Put {customer} down for {quantity} {item}, to be delivered in {city}.",
    "In {city}, {customer} is waiting for {quantity} {item}.",
)
"""Phrasings of the other half, which no input and no demonstration uses."""

CUSTOMERS = (
    "Peter", "Maria", "David", "Alice", "Michael", "Simon", "Henry", "Frank", "James", "Mary", "Paul", "Mark",
    "Jack", "Adam", "Joseph", "William", "Charles", "Richard", "Elizabeth", "Jane", "Lily", "Susan", "Laura",
    "Kevin",
)  # fmt: skip
CITIES = (
    "London", "Berlin", "Madrid", "Vienna", "Boston", "Chicago", "Toronto", "Denver", "Milan", "Moscow",
    "Dallas", "Seattle", "Oxford", "Cambridge", "Glasgow", "Montreal", "Melbourne", "Edinburgh", "Miami",
    "Amsterdam",
)  # fmt: skip
ITEMS = (
    "books", "shirts", "tables", "bags", "boxes", "balls", "cards", "keys", "plants", "phones", "doors",
    "windows", "letters", "games", "tools", "stones", "boats", "computers", "pots", "maps", "photos", "lamps",
    "bottles", "shoes",
)  # fmt: skip
NUMBERS = {
    2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten",
    11: "eleven", 12: "twelve", 15: "fifteen", 20: "twenty",
}  # fmt: skip


class Order(NamedTuple):
    """What a sentence says."""

    item: str
    quantity: int
    customer: str
    city: str


DEMONSTRATIONS = (
    (0, "words", Order("apples", 3, "Anna", "Paris")),
    (1, "digits", Order("chairs", 12, "Robert", "Rome")),
    (2, "words", Order("pens", 7, "Sarah", "Lisbon")),
    (3, "digits", Order("cups", 5, "George", "Sydney")),
    (4, "words", Order("hats", 10, "Emma", "Prague")),
    (5, "digits", Order("oranges", 20, "Thomas", "Tokyo")),
    (2, "digits", Order("plates", 4, "Martin", "Dublin")),
    (1, "words", Order("flowers", 15, "Helen", "Athens")),
)
"""Place in `SEEN`, how the number is written, and the order."""


def build(seed: int = 11) -> tuple[list[Row], list[Row], list[Row]]:
    """Demonstrations, inputs without completions, and test rows; no two rows hold the same order."""
    rng = random.Random(seed)
    orders = _orders(rng)
    demonstrations = [
        _row(f"demonstration-{number}", SEEN[place], form, order, labelled=True)
        for number, (place, form, order) in enumerate(DEMONSTRATIONS)
    ]
    inputs = _rows("input", SEEN, INPUTS // len(SEEN), orders, rng, labelled=False)
    evaluation = [
        {**row, "phrasing": kind}
        for kind, phrasings in (("seen", SEEN), ("unseen", UNSEEN))
        for row in _rows(kind, phrasings, EVALUATION_PER_PHRASING[kind], orders, rng, labelled=True)
    ]
    return demonstrations, inputs, evaluation


def _orders(rng: random.Random) -> Iterator[Order]:
    """Orders without end, none twice and none of the demonstrations'."""
    used = {order for _, _, order in DEMONSTRATIONS}
    while True:
        order = Order(rng.choice(ITEMS), rng.choice([*NUMBERS]), rng.choice(CUSTOMERS), rng.choice(CITIES))
        if order not in used:
            used.add(order)
            yield order


def _rows(
    name: str,
    phrasings: Sequence[str],
    each: int,
    orders: Iterator[Order],
    rng: random.Random,
    *,
    labelled: bool,
) -> list[Row]:
    """`each` rows of every phrasing, half of them with the number in digits, shuffled."""
    shapes = [(text, ("words", "digits")[turn % 2]) for text in phrasings for turn in range(each)]
    rng.shuffle(shapes)
    return [
        _row(f"{name}-{number}", text, form, next(orders), labelled=labelled)
        for number, (text, form) in enumerate(shapes)
    ]


def _row(name: str, phrasing: str, form: str, order: Order, *, labelled: bool) -> Row:
    quantity = NUMBERS[order.quantity] if form == "words" else str(order.quantity)
    sentence = phrasing.format(**{**order._asdict(), "quantity": quantity})
    # A number word that begins the sentence is written as one.
    row = {"id": name, "prompt": sentence[0].upper() + sentence[1:]}
    return row | {"completion": json.dumps(order._asdict())} if labelled else row
