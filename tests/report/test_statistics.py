"""Paired statistics against scipy, closed forms and cases worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from distill.statistics.intervals import bootstrap_interval, excludes_zero
from distill.statistics.paired import compare
from distill.statistics.significance import holm, mcnemar, minimum_detectable_effect


def verdicts(both, only_first, only_second, neither):
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


@given(b=st.integers(0, 300), c=st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_mcnemar_is_twice_the_binomial_tail(b, c):
    expected = min(1.0, 2 * binom.cdf(min(b, c), b + c, 0.5)) if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(b, c) == mcnemar(c, b)


def test_mcnemar_worked_by_hand():
    # 1 against 5: 2 * (C(6,0) + C(6,1)) / 2^6 = 14 / 64.
    assert mcnemar(1, 5) == pytest.approx(14 / 64)
    assert mcnemar(0, 4) == pytest.approx(2 / 16)


def test_compare_counts_discordant_rows():
    paired = compare(*verdicts(50, 8, 20, 22))
    assert (paired.n, paired.only_first, paired.only_second) == (100, 8, 20)
    assert paired.difference == pytest.approx(0.12)
    assert paired.p == pytest.approx(2 * binom.cdf(8, 28, 0.5))
    low, high = paired.interval
    # The normal interval of a paired difference, as a sanity reference.
    stderr = math.sqrt((28 / 100 - 0.12**2) / 100)
    assert (low, high) == pytest.approx((0.12 - 1.96 * stderr, 0.12 + 1.96 * stderr), abs=0.012)
    with pytest.raises(ValueError, match="paired rows"):
        compare([True], [True, False])


@pytest.mark.parametrize(
    ("interval", "excluded"),
    [(None, False), ((0.0, 0.1), False), ((-0.1, 0.0), False), ((0.01, 0.1), True), ((-0.1, -0.01), True)],
)
def test_an_end_at_zero_holds_zero(interval, excluded):
    assert excludes_zero(interval) is excluded


def test_a_difference_takes_the_test_and_the_interval():
    """Of instructions, many rows may be a little better while a few are so much worse that nothing is won."""
    first = [[True] * 9 + [False]] * 14 + [[True] * 10] * 2
    second = [[True] * 10] * 14 + [[False] * 10] * 2
    found = compare(first, second)
    assert found.p < 0.05 and found.interval[0] < 0 < found.interval[1]
    assert not found.shown


def test_pairing_matters():
    """Equal marginals: answers that agree row by row make a far narrower interval than independent ones."""
    agreeing = compare(*verdicts(60, 0, 5, 35)).interval
    independent = compare(*verdicts(39, 21, 26, 14)).interval
    assert agreeing[1] - agreeing[0] < 0.5 * (independent[1] - independent[0])
    assert agreeing[0] > 0 > independent[0]


def test_the_bootstrap_is_one_over_rows():
    """Against a plain bootstrap that draws row numbers, with rows of unequal weights."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 4, 150)
    first, second = rng.binomial(sizes, 0.4), rng.binomial(sizes, 0.55)
    drawn = rng.integers(0, 150, (10_000, 150))
    reference = (second[drawn].sum(1) - first[drawn].sum(1)) / sizes[drawn].sum(1)
    expected = np.percentile(reference, [2.5, 97.5])
    assert bootstrap_interval(first, second, sizes) == pytest.approx(expected, abs=0.006)


def test_the_interval_is_repeatable():
    rows = [0.2, 0.5] * 10, [0.3, 0.1] * 10, [1.0] * 20
    assert bootstrap_interval(*rows) == bootstrap_interval(*rows)


def test_holm_worked_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(deadline=None)
def test_holm_keeps_order_and_stays_between_p_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, len(p_values) * max(p_values))
    assert [q for _, q in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)


def test_minimum_detectable_effect_solves_connors_equation():
    for n, discordant in ((541, 0.2), (1319, 0.3), (500, 0.1)):
        effect = minimum_detectable_effect(n, discordant)
        needed = (norm.ppf(0.975) * discordant**0.5 + norm.ppf(0.8) * (discordant - effect**2) ** 0.5) ** 2
        assert needed / effect**2 == pytest.approx(n)
    assert minimum_detectable_effect(541, 0.2) == pytest.approx(0.0536, abs=5e-4)


def test_minimum_detectable_effect_at_its_ends():
    assert minimum_detectable_effect(100, 0.0) is None
    assert minimum_detectable_effect(3, 0.5) is None
    assert minimum_detectable_effect(4, 0.9) > minimum_detectable_effect(400, 0.9)
    few = minimum_detectable_effect(32, 0.03)
    assert few is not None and few > 0.03  # the share of discordant rows grows with the difference


def test_the_detectable_effect_is_detected_four_times_in_five():
    n, discordant = 600, 0.2
    effect = minimum_detectable_effect(n, discordant)
    rng = np.random.default_rng(3)
    shares = [(discordant + effect) / 2, (discordant - effect) / 2, 1 - discordant]
    draws = rng.multinomial(n, shares, size=1500)
    power = np.mean([mcnemar(int(c), int(b)) < 0.05 for b, c, _ in draws])
    assert 0.74 < power < 0.84  # the exact test is a little conservative


def test_a_family_of_tests_detects_less():
    """Ten comparisons: what each finds at a level of 0.005, Holm's first step."""
    paired = compare(*verdicts(300, 50, 50, 200))
    assert paired.detectable(1) == minimum_detectable_effect(600, 1 / 6)
    assert paired.detectable(10) == minimum_detectable_effect(600, 1 / 6, alpha=0.005)
    assert paired.detectable(10) > 1.2 * paired.detectable(1)


def test_false_alarms_are_rare():
    """Under no difference the test errs in at most 5.5%, and what is `shown` as well."""
    draws = np.random.default_rng(5).multinomial(541, [0.3, 0.1, 0.1, 0.5], size=600)
    found = [compare(*verdicts(*map(int, draw))) for draw in draws]
    assert np.mean([paired.p < 0.05 for paired in found]) <= 0.055
    assert np.mean([paired.shown for paired in found]) <= 0.055
