"""Families of Prealgebra, Number Theory, Counting & Probability and Geometry."""

import math
import random
from fractions import Fraction

from scripts.make_sample.latex import fraction, radical
from scripts.make_sample.math_family import Family, Problem


def _add_fractions(rng: random.Random) -> Problem:
    b, d = rng.sample(range(3, 10), 2)
    a, c = (rng.choice([n for n in range(1, under) if math.gcd(n, under) == 1]) for under in (b, d))
    total = Fraction(a, b) + Fraction(c, d)
    bottom = math.lcm(b, d)
    return (
        rf"Compute $\frac{{{a}}}{{{b}}} + \frac{{{c}}}{{{d}}}$. Give a common fraction in lowest terms.",
        f"Over the common denominator {bottom} the numerators are {a * bottom // b} and {c * bottom // d}, "
        f"which add up to {total * bottom}. In lowest terms this is ${fraction(total)}$.",
        fraction(total),
    )


def _percent(rng: random.Random) -> Problem:
    percent, base = rng.choice([5, 10, 15, 20, 25, 40, 60, 75]), rng.choice(range(20, 301, 20))
    return (
        rf"What is ${percent}\%$ of ${base}$?",
        rf"${percent}\%$ of ${base}$ is $\frac{{{percent}}}{{100}} \cdot {base} = {percent * base // 100}$.",
        str(percent * base // 100),
    )


def _order(rng: random.Random) -> Problem:
    a, b, c, d = rng.randint(2, 9), rng.randint(2, 6), rng.randint(2, 5), rng.randint(10, 40)
    value = a + b * c**2 - d
    return (
        rf"Evaluate ${a} + {b} \cdot {c}^2 - {d}$.",
        f"First ${c}^2 = {c**2}$. Then ${b} \\cdot {c**2} = {b * c**2}$. "
        f"Finally ${a} + {b * c**2} - {d} = {value}$.",
        str(value),
    )


def _ratio(rng: random.Random) -> Problem:
    red, blue = rng.choice([(2, 7), (3, 7), (3, 8), (4, 7), (4, 9), (5, 6), (5, 8)])
    times = rng.randint(3, 9)
    return (
        f"The ratio of red to blue beads is ${red}:{blue}$. If there are ${red * times}$ red beads, how many "
        "blue beads are there?",
        f"One part is ${red * times} \\div {red} = {times}$ beads. Blue has {blue} parts: "
        f"${blue} \\cdot {times} = {blue * times}$.",
        str(blue * times),
    )


def _gcd(rng: random.Random) -> Problem:
    common = rng.randint(2, 12)
    a, b = rng.choice([(2, 3), (3, 4), (3, 5), (4, 5), (5, 6), (4, 7)])
    return (
        f"What is the greatest common divisor of {common * a} and {common * b}?",
        f"We have ${common * a} = {common} \\cdot {a}$ and ${common * b} = {common} \\cdot {b}$, and {a} and "
        f"{b} have no common factor.",
        str(common),
    )


def _modulo(rng: random.Random) -> Problem:
    base, power, modulus = rng.randint(2, 5), rng.randint(3, 5), rng.choice([6, 7, 9, 11])
    value = base**power
    return (
        f"What is the remainder when ${base}^{power}$ is divided by {modulus}?",
        f"${base}^{power} = {value} = {modulus} \\cdot {value // modulus} + {value % modulus}$.",
        str(value % modulus),
    )


def _divisors(rng: random.Random) -> Problem:
    p, q = rng.sample([2, 3, 5, 7], 2)
    a, b = rng.randint(1, 3), rng.randint(1, 2)
    number = p**a * q**b
    return (
        f"Count the positive integers that divide {number} without remainder.",
        f"Since ${number} = {p}^{a} \\cdot {q}^{b}$, there are $({a} + 1)({b} + 1) = {(a + 1) * (b + 1)}$.",
        str((a + 1) * (b + 1)),
    )


def _base(rng: random.Random) -> Problem:
    base = rng.choice([2, 3, 5])
    digits = [1, *(rng.randrange(base) for _ in range(3))]
    value = sum(digit * base ** (3 - place) for place, digit in enumerate(digits))
    terms = " + ".join(f"{digit} \\cdot {base ** (3 - place)}" for place, digit in enumerate(digits))
    written = "".join(map(str, digits))
    return f"Write ${written}_{base}$ in base 10.", f"It is ${terms} = {value}$.", str(value)


def _choose(rng: random.Random) -> Problem:
    n, k = rng.randint(5, 10), rng.choice([2, 3])
    value = math.comb(n, k)
    return (
        f"In how many ways can a club of {n} members choose a committee of {k}?",
        rf"The order does not matter, so the number is $\binom{{{n}}}{{{k}}} = {value}$.",
        str(value),
    )


def _urn(rng: random.Random) -> Problem:
    red, green, white = rng.randint(2, 8), rng.randint(2, 8), rng.randint(1, 6)
    total = red + green + white
    return (
        f"A bag has {red} red, {green} green and {white} white marbles. One is drawn at random. What is the "
        "probability that it is red? Give a common fraction.",
        f"{red} of the {total} marbles are red.",
        fraction(Fraction(red, total)),
    )


def _dice(rng: random.Random) -> Problem:
    total = rng.randint(2, 12)
    ways = 6 - abs(7 - total)
    return (
        f"Two fair six-sided dice are rolled. What is the probability that the sum is {total}?",
        f"{ways} of the 36 equally likely outcomes {'has' if ways == 1 else 'have'} the sum {total}.",
        fraction(Fraction(ways, 36)),
    )


def _diagonal(rng: random.Random) -> Problem:
    a, b = sorted(rng.sample(range(1, 11), 2))
    return (
        f"A rectangle has sides {a} and {b}. How long is its diagonal, in simplest radical form?",
        f"By the Pythagorean theorem it is $\\sqrt{{{a * a} + {b * b}}} = \\sqrt{{{a * a + b * b}}}$.",
        radical(a * a + b * b),
    )


def _circle(rng: random.Random) -> Problem:
    radius = rng.randint(2, 15)
    return (
        f"A circle has a diameter of {2 * radius}. What is its area in terms of $\\pi$?",
        f"The radius is {radius}, so the area is $\\pi \\cdot {radius}^2$.",
        rf"{radius * radius}\pi",
    )


def _angle(rng: random.Random) -> Problem:
    a, b = rng.randrange(25, 80, 5), rng.randrange(30, 95, 5)
    return (
        f"Two angles of a triangle measure ${a}^\\circ$ and ${b}^\\circ$. How many degrees is the third one?",
        f"The angles add up to $180^\\circ$, so it is $180 - {a} - {b} = {180 - a - b}$ degrees.",
        str(180 - a - b),
    )


FAMILIES = (
    Family("Prealgebra", 1, _percent),
    Family("Prealgebra", 1, _order),
    Family("Prealgebra", 2, _ratio),
    Family("Prealgebra", 2, _add_fractions),
    Family("Number Theory", 1, _gcd),
    Family("Number Theory", 2, _modulo),
    Family("Number Theory", 3, _base),
    Family("Number Theory", 4, _divisors),
    Family("Counting & Probability", 2, _choose),
    Family("Counting & Probability", 2, _urn),
    Family("Counting & Probability", 3, _dice),
    Family("Geometry", 1, _angle),
    Family("Geometry", 2, _circle),
    Family("Geometry", 3, _diagonal),
)
