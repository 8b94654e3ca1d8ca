"""LaTeX for the few kinds of answers the sample has."""

from fractions import Fraction


def fraction(value: Fraction) -> str:
    r"""`-\frac{3}{4}`, or the integer if it is one."""
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def signed(value: int) -> str:
    """`+ 3` or `- 3`, to follow another term."""
    return f"+ {value}" if value >= 0 else f"- {-value}"


def radical(square: int) -> str:
    r"""The square root of `square` in simplest form, such as `3\sqrt{2}`."""
    outside = max(root for root in range(1, square + 1) if square % (root * root) == 0)
    inside = square // (outside * outside)
    if inside == 1:
        return str(outside)
    return rf"{outside if outside > 1 else ''}\sqrt{{{inside}}}"
