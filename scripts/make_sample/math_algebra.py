"""Families of Algebra, Intermediate Algebra and Precalculus."""

import random
from fractions import Fraction

from scripts.make_sample.latex import fraction, radical, signed
from scripts.make_sample.math_family import Family, Problem


def _linear(rng: random.Random) -> Problem:
    a, b, c = rng.randint(2, 9), rng.randint(1, 12), rng.randint(-9, 20)
    x = Fraction(c - b, a)
    return (
        f"Solve for $x$: ${a}x + {b} = {c}$.",
        f"Subtracting {b} gives ${a}x = {c - b}$. Dividing by {a} gives $x = {fraction(x)}$.",
        fraction(x),
    )


def _system(rng: random.Random) -> Problem:
    x, y = rng.randint(-3, 9), rng.randint(-5, 8)
    return (
        f"Find the ordered pair $(x, y)$ with $x + y = {x + y}$ and $x - y = {x - y}$.",
        f"Adding the equations gives $2x = {2 * x}$, so $x = {x}$. "
        f"Subtracting them gives $2y = {2 * y}$, so $y = {y}$.",
        f"({x}, {y})",
    )


def _slope(rng: random.Random) -> Problem:
    x, y = rng.randint(-4, 4), rng.randint(-5, 5)
    dx, dy = rng.randint(2, 7), rng.choice([-5, -3, -2, 1, 3, 4])
    slope = fraction(Fraction(dy, dx))
    return (
        f"What is the slope of the line through $({x}, {y})$ and $({x + dx}, {y + dy})$?",
        f"The rise is ${dy}$ and the run is ${dx}$, so the slope is ${slope}$.",
        slope,
    )


def _compose(rng: random.Random) -> Problem:
    a, b, c, x = rng.randint(2, 6), rng.choice([-7, -4, -1, 2, 3, 5]), rng.randint(1, 6), rng.randint(-3, 4)
    inner = x * x + c
    return (
        f"Let $f(x) = {a}x {signed(b)}$ and $g(x) = x^2 + {c}$. What is $f(g({x}))$?",
        f"First $g({x}) = {inner}$. Then $f({inner}) = {a} \\cdot {inner} {signed(b)} = {a * inner + b}$.",
        str(a * inner + b),
    )


def _inequality(rng: random.Random) -> Problem:
    low, width = rng.randint(-8, 4), rng.randint(2, 9)
    shift = rng.randint(1, 7)
    high = low + width
    return (
        f"Solve ${low + shift} < x + {shift} \\le {high + shift}$. Give the answer in interval notation.",
        f"Subtracting {shift} from all three parts gives ${low} < x \\le {high}$.",
        f"({low}, {high}]",
    )


def _root_sum(rng: random.Random) -> Problem:
    a, b, c = rng.randint(2, 7), rng.randint(3, 15), rng.randint(1, 9)
    return (
        f"What is the sum of the roots of ${a}x^2 - {b}x - {c} = 0$?",
        f"By Vieta's formulas the sum of the roots is $-(-{b}) \\div {a}$.",
        fraction(Fraction(b, a)),
    )


def _smaller_root(rng: random.Random) -> Problem:
    p, q = sorted(rng.sample([n for n in range(-9, 10) if n], 2))
    return (
        f"What is the smaller solution of $(x {signed(-p)})(x {signed(-q)}) = 0$?",
        f"A product is zero when a factor is, so $x = {p}$ or $x = {q}$, and the smaller one is ${p}$.",
        str(p),
    )


def _absolute(rng: random.Random) -> Problem:
    centre, radius = rng.randint(-6, 8), rng.randint(2, 9)
    low, high = centre - radius, centre + radius
    return (
        f"For which real $x$ is $|x {signed(-centre)}| \\le {radius}$? Use interval notation.",
        f"The distance from $x$ to ${centre}$ is at most {radius}, so ${low} \\le x \\le {high}$.",
        f"[{low}, {high}]",
    )


def _remainder(rng: random.Random) -> Problem:
    a, b, r = rng.randint(1, 5), rng.randint(-6, 6), rng.choice([-3, -2, 2, 3])
    value = r**3 + a * r + b
    term = "x" if a == 1 else f"{a}x"
    return (
        f"What is the remainder when $x^3 + {term} {signed(b)}$ is divided by $x {signed(-r)}$?",
        f"By the remainder theorem it is the value at $x = {r}$: "
        f"${r**3} {signed(a * r)} {signed(b)} = {value}$.",
        str(value),
    )


def _modulus(rng: random.Random) -> Problem:
    a, b = rng.randint(1, 8), rng.randint(2, 8)
    return (
        f"What is the absolute value of the complex number ${a} + {b}i$? Simplify any radical.",
        f"It is $\\sqrt{{{a}^2 + {b}^2}} = \\sqrt{{{a * a + b * b}}}$.",
        radical(a * a + b * b),
    )


def _midpoint(rng: random.Random) -> Problem:
    x1, y1, x2, y2 = (rng.randint(-9, 9) for _ in range(4))
    x, y = fraction(Fraction(x1 + x2, 2)), fraction(Fraction(y1 + y2, 2))
    return (
        f"What is the midpoint of the segment from $({x1}, {y1})$ to $({x2}, {y2})$?",
        "The coordinates of the midpoint are the averages of the coordinates of the ends: "
        f"$x = {x}$ and $y = {y}$.",
        rf"\left( {x}, {y} \right)",
    )


FAMILIES = (
    Family("Algebra", 1, _linear),
    Family("Algebra", 2, _system),
    Family("Algebra", 2, _slope),
    Family("Algebra", 3, _compose),
    Family("Algebra", 3, _midpoint),
    Family("Intermediate Algebra", 2, _smaller_root),
    Family("Intermediate Algebra", 3, _inequality),
    Family("Intermediate Algebra", 3, _root_sum),
    Family("Intermediate Algebra", 4, _absolute),
    Family("Intermediate Algebra", 5, _remainder),
    Family("Precalculus", 2, _modulus),
)
