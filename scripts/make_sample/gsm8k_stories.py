"""The word problems: texts of our own, small numbers, one to three steps.

Fields are explained at `gsm8k._fill`. A draw of numbers whose steps are not all whole numbers above 1 is
thrown away, so `{n = a / b}` needs no care about divisors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PEOPLE = (
    ("Ada", "she"), ("Ben", "he"), ("Chidi", "he"), ("Dora", "she"), ("Emil", "he"), ("Fatima", "she"),
    ("Goran", "he"), ("Hana", "she"), ("Ivo", "he"), ("Jun", "he"), ("Kira", "she"), ("Lola", "she"),
    ("Mateo", "he"), ("Nina", "she"), ("Omar", "he"), ("Priya", "she"), ("Rosa", "she"), ("Samir", "he"),
    ("Tess", "she"), ("Viktor", "he"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Story:
    """A word problem.

    Attributes:
        question: The problem with fields.
        numbers: Variable -> the values it is drawn from.
        solution: The lines of the worked solution; the last computed value is the answer.
        things: What `{thing}` may stand for.
    """

    question: str
    numbers: Mapping[str, Sequence[int]]
    solution: Sequence[str]
    things: Sequence[str] = ("",)


def _to(low: int, high: int, step: int = 1) -> range:
    return range(low, high + 1, step)


STORIES: tuple[Story, ...] = (
    Story(
        "{name} packs {a} boxes with {b} {thing} in each. How many {thing} does {name} pack in all?",
        {"a": _to(3, 9), "b": _to(3, 12)},
        ["{name} packs {n = a * b} {thing} in all."],
        ("candles", "pears", "jars", "puzzles"),
    ),
    Story(
        "{name} shares {a} {thing} equally among {b} friends. How many {thing} does each friend get?",
        {"a": _to(12, 60), "b": _to(3, 9)},
        ["Each friend gets {n = a / b} {thing}."],
        ("grapes", "stickers", "biscuits", "beads"),
    ),
    Story(
        "{name} buys {a} {thing} at ${b} each and pays with ${c}. How much change does {he} get back?",
        {"a": _to(2, 6), "b": _to(2, 9), "c": (20, 40, 50, 60)},
        ["The {thing} cost {$n = a * b}.", "The change is {$m = c - n}."],
        ("sandwiches", "mugs", "scarves", "plants"),
    ),
    Story(
        "{name} has ${a}. {He} spends ${b} on lunch and ${c} on a {thing}. How many dollars are left?",
        {"a": _to(30, 60, 5), "b": _to(6, 14), "c": _to(5, 15)},
        ["{name} spends {$n = b + c}.", "There are {$m = a - n} left."],
        ("cap", "poster", "train ticket"),
    ),
    Story(
        "A {thing} has {c} pages. {name} reads {a} pages a day for {b} days. How many pages are left?",
        {"a": _to(8, 20), "b": _to(2, 6), "c": _to(80, 150, 10)},
        ["{name} reads {n = a * b} pages.", "That leaves {m = c - n} pages."],
        ("novel", "travel guide", "mystery"),
    ),
    Story(
        "{name} collects {a} {thing}, and {other} collects twice as many. How many {thing} do the two have "
        "together?",
        {"a": _to(4, 25)},
        ["{other} has {n = 2 * a} {thing}.", "Together they have {m = a + n} {thing}."],
        ("shells", "stamps", "acorns", "coins"),
    ),
    Story(
        "{name} earns ${a} an hour as a {thing} and works {b} hours on each of {c} days. How much does {he} "
        "earn?",
        {"a": _to(8, 15), "b": _to(2, 6), "c": _to(2, 5)},
        ["{name} works {n = b * c} hours.", "The pay is {$m = a * n}."],
        ("gardener", "cook", "tutor", "clerk"),
    ),
    Story(
        "A farm has {a} hens, and each hen lays {b} eggs a week. This week {c} eggs are sold. How many eggs "
        "remain?",
        {"a": _to(4, 12), "b": _to(3, 6), "c": _to(8, 24)},
        ["The hens lay {n = a * b} eggs.", "After the sale {m = n - c} eggs remain."],
    ),
    Story(
        "A {thing} leaves with {a} passengers. At the next stop {b} get off and {c} get on. How many "
        "passengers are on it now?",
        {"a": _to(18, 45), "b": _to(3, 15), "c": _to(2, 12)},
        ["After {b} leave there are {n = a - b} passengers.", "Then there are {m = n + c} passengers."],
        ("bus", "tram", "ferry"),
    ),
    Story(
        "{name} plants {a} rows of {b} {thing}. A storm ruins {c} of them. How many {thing} survive?",
        {"a": _to(3, 9), "b": _to(4, 10), "c": _to(3, 11)},
        ["{name} plants {n = a * b} {thing}.", "{m = n - c} {thing} survive."],
        ("tulips", "cabbages", "tomatoes", "bean plants"),
    ),
    Story(
        "A rectangular {thing} is {a} metres long and {b} metres wide. How many metres of fence go all the "
        "way around it?",
        {"a": _to(10, 24), "b": _to(3, 9)},
        ["One long and one short side make {n = a + b} metres.", "All around it is {m = 2 * n} metres."],
        ("garden", "paddock", "playground"),
    ),
    Story(
        "Tickets for the {thing} are ${a} for adults and ${b} for children. What do {c} adults and {d} "
        "children pay?",
        {"a": _to(8, 14), "b": _to(3, 7), "c": _to(2, 4), "d": _to(2, 6)},
        ["The adults pay {$n = a * c}.", "The children pay {$m = b * d}.", "Together that is {$t = n + m}."],
        ("zoo", "circus", "museum", "boat trip"),
    ),
    Story(
        "A class has {a} pupils. Half of them walk to school, {b} come by bike, and the rest take the bus. "
        "How many take the bus?",
        {"a": _to(20, 36, 2), "b": _to(2, 9)},
        ["{n = a / 2} pupils walk.", "{m = a - n - b} pupils take the bus."],
    ),
    Story(
        "A {thing} costs ${a}. {name} already has ${b} and saves ${c} every week. How many weeks does it "
        "take to have enough?",
        {"a": _to(60, 120, 5), "b": _to(10, 40, 5), "c": _to(5, 15)},
        ["{name} still needs {$n = a - b}.", "That takes {m = n / c} weeks."],
        ("guitar", "skateboard", "tent"),
    ),
    Story(
        "One {thing} needs {a} cups of flour. {name} wants to bake {b} of them and has {c} cups. How many "
        "more cups are needed?",
        {"a": _to(2, 5), "b": _to(4, 9), "c": _to(3, 12)},
        ["{name} needs {n = a * b} cups.", "{m = n - c} more cups are needed."],
        ("cake", "loaf", "pie"),
    ),
    Story(
        "{name} is {a} years old. {other} is {b} years older. How old will {other} be in {c} years?",
        {"a": _to(5, 20), "b": _to(2, 9), "c": _to(2, 10)},
        ["{other} is {n = a + b} years old now.", "In {c} years {other} will be {m = n + c}."],
    ),
    Story(
        "A {thing} goes {a} km an hour for {b} hours and then {c} km more. How many km does it go in all?",
        {"a": _to(20, 60, 5), "b": _to(2, 5), "c": _to(5, 30, 5)},
        ["The first part is {n = a * b} km.", "The whole way is {m = n + c} km."],
        ("ship", "train", "truck"),
    ),
    Story(
        "{name} swims {a} laps on Monday and {b} laps on Tuesday. Each lap is {c} metres. How many metres is "
        "that?",
        {"a": _to(4, 12), "b": _to(3, 10), "c": (20, 25, 30, 50)},
        ["{name} swims {n = a + b} laps.", "That is {m = n * c} metres."],
    ),
    Story(
        "{name} opens {a} packs of {b} {thing} and gives {c} to {other}. How many {thing} does {name} keep?",
        {"a": _to(3, 8), "b": _to(4, 10), "c": _to(3, 11)},
        ["The packs hold {n = a * b} {thing}.", "{name} keeps {m = n - c} {thing}."],
        ("cards", "balloons", "pencils"),
    ),
    Story(
        "The top shelf holds {a} {thing}. The bottom shelf holds {b} fewer. How many {thing} are on both "
        "shelves?",
        {"a": _to(14, 40), "b": _to(3, 11)},
        ["The bottom shelf holds {n = a - b} {thing}.", "Both shelves hold {m = a + n} {thing}."],
        ("books", "records", "tins"),
    ),
    Story(
        "A stall sells {a} {thing} on Friday, {b} more than that on Saturday, and none on Sunday. How many "
        "{thing} does it sell?",
        {"a": _to(10, 30), "b": _to(4, 15)},
        ["On Saturday it sells {n = a + b} {thing}.", "In all it sells {m = a + n} {thing}."],
        ("waffles", "melons", "lamps"),
    ),
    Story(
        "A {thing} usually costs ${a}, but today it is ${b} cheaper. How much do {c} of them cost today?",
        {"a": _to(12, 30), "b": _to(3, 9), "c": _to(2, 5)},
        ["Today one costs {$n = a - b}.", "{c} of them cost {$m = n * c}."],
        ("shirt", "lamp", "chair", "backpack"),
    ),
    Story(
        "{name} has {a} {thing} and gives a third of them to {other}. How many {thing} does {name} keep?",
        {"a": _to(9, 60, 3)},
        ["{name} gives away {n = a / 3} {thing}.", "{m = a - n} {thing} are left."],
        ("marbles", "walnuts", "buttons"),
    ),
    Story(
        "A {thing} holds {a} litres and has {b} litres in it. A hose adds {c} litres a minute. How many "
        "minutes until it is full?",
        {"a": _to(50, 120, 10), "b": _to(10, 40, 5), "c": _to(4, 15)},
        ["There is room for {n = a - b} litres.", "Filling it takes {m = n / c} minutes."],
        ("tank", "pool", "barrel"),
    ),
    Story(
        "{a} boys and {b} girls come to {thing} and form teams of {c}. How many teams are there?",
        {"a": _to(8, 24), "b": _to(7, 24), "c": _to(3, 8)},
        ["There are {n = a + b} children.", "They form {m = n / c} teams."],
        ("a quiz", "sports day", "a relay race"),
    ),
    Story(
        "A {thing} has {a} levels with {b} parking places each. {c} places are taken. How many are free?",
        {"a": _to(2, 6), "b": _to(12, 30), "c": _to(10, 40)},
        ["There are {n = a * b} places.", "{m = n - c} places are free."],
        ("garage", "mall", "station car park"),
    ),
    Story(
        "A candle is {a} cm tall and burns down {b} cm every hour. How tall is it after {c} hours?",
        {"a": _to(18, 40), "b": _to(2, 4), "c": _to(2, 7)},
        ["It burns down {n = b * c} cm.", "It is then {m = a - n} cm tall."],
    ),
    Story(
        "{b} friends each order a {thing} for ${a}. Together they leave a tip of ${c}. How much do they pay "
        "in all?",
        {"a": _to(6, 15), "b": _to(3, 7), "c": _to(4, 12)},
        ["The food costs {$n = a * b}.", "With the tip they pay {$m = n + c}."],
        ("pizza", "soup", "salad", "curry"),
    ),
    Story(
        "At dawn it is {a} degrees. By noon it is {b} degrees warmer, and by night it is {c} degrees cooler "
        "than at noon. What is the temperature at night?",
        {"a": _to(4, 15), "b": _to(6, 14), "c": _to(3, 12)},
        ["At noon it is {n = a + b} degrees.", "At night it is {m = n - c} degrees."],
    ),
    Story(
        "A wall has {a} {thing}. {b} painters paint {c} {thing} each. How many {thing} are left to paint?",
        {"a": _to(30, 60, 2), "b": _to(2, 5), "c": _to(4, 9)},
        ["The painters paint {n = b * c} {thing}.", "{m = a - n} {thing} are left."],
        ("panels", "tiles", "squares"),
    ),
    Story(
        "A {thing} costs ${a} today and then ${b} a month for {c} months. What does it cost in all?",
        {"a": _to(20, 60, 5), "b": _to(5, 15), "c": _to(3, 10)},
        ["The monthly payments are {$n = b * c}.", "In all it costs {$m = a + n}."],
        ("phone", "keyboard", "bike", "gym pass"),
    ),
    Story(
        "{name} scores {a}, {b} and {c} points in three {thing}. What is the average score?",
        {"a": _to(4, 20), "b": _to(4, 20), "c": _to(4, 20)},
        ["The total is {n = a + b + c} points.", "The average is {m = n / 3} points."],
        ("games", "rounds", "matches"),
    ),
)
