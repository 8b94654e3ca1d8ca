"""Tests of two conditions on the same rows, their adjustment for number, and what they can find."""

from collections.abc import Sequence

from scipy.optimize import brentq
from scipy.stats import binomtest, norm

LEVEL = 0.05
"""A difference is called one where p is smaller."""


def mcnemar(only_first: int, only_second: int) -> float:
    """P-value of the exact two-sided McNemar test.

    Under the null hypothesis a discordant row is as likely to favour either side; rows on which both agree
    say nothing. Source: McNemar (1947), https://doi.org/10.1007/BF02295996.
    """
    discordant = only_first + only_second
    return float(binomtest(only_second, discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the given order.

    The chance of any false alarm among them stays below the level that they are compared with. Source: Holm
    (1979), https://www.jstor.org/stable/4615733.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def minimum_detectable_effect(
    n: int, discordant: float, *, alpha: float = LEVEL, power: float = 0.8
) -> float | None:
    """The smallest true difference that a paired test on `n` rows finds with the given power.

    Args:
        n: Rows.
        discordant: Share of rows that only one of the two conditions gets right.
        alpha: Two-sided level.
        power: Chance to find it.

    Returns:
        The difference of rates; None if not even a difference of 1 would be found, or no row is discordant.

    A difference cannot exceed the share of discordant rows; where it would, that share is taken to be as
    large as the difference. Source: Connor (1987), https://doi.org/10.2307/2531961.
    """
    if not discordant:
        return None
    z_alpha, z_power = norm.ppf(1 - alpha / 2), norm.ppf(power)

    def excess(effect: float) -> float:
        share = max(discordant, effect)
        return float(effect * n**0.5 - z_alpha * share**0.5 - z_power * (share - effect**2) ** 0.5)

    return float(brentq(excess, 0.0, 1.0)) if excess(1.0) > 0 else None
