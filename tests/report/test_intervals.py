"""Intervals of paired verdicts: published examples, closed forms, and coverage counted out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from benchmarks.interval_coverage import (
    gap_coverage,
    old_coverage,
    score_coverage,
)
from distill.statistics.intervals import bootstrap_interval, excludes_zero, score_interval
from distill.statistics.paired import compare, gap_closed


@pytest.mark.parametrize(
    ("n", "only_first", "only_second", "level", "low", "high"),
    [
        (44, 1, 0, 0.90, -0.096, 0.037),  # Tango (1998), contact lenses
        (21, 7, 1, 0.95, -0.517, -0.026),  # Fagerland, Lydersen and Laake (2014), airways
        (618, 28, 25, 0.90, -0.0247, 0.0148),  # R, PropCIs::scoreci.mp
    ],
)
def test_the_score_interval_of_published_examples(n, only_first, only_second, level, low, high):
    found = score_interval(n, only_first, only_second, z=norm.ppf(0.5 + level / 2))
    assert found == pytest.approx((low, high), abs=5e-4 if n < 100 else 5e-5)


@pytest.mark.parametrize("n", [1, 12, 16, 541])
def test_no_row_that_differs_is_no_certainty(n):
    bound = norm.ppf(0.975) ** 2 / (n + norm.ppf(0.975) ** 2)
    assert score_interval(n, 0, 0) == pytest.approx((-bound, bound))


@given(n=st.integers(1, 600), data=st.data())
@settings(max_examples=100, deadline=None)
def test_the_score_interval_holds_its_difference_and_turns_with_its_sides(n, data):
    one = data.draw(st.integers(0, n))
    other = data.draw(st.integers(0, n - one))
    low, high = score_interval(n, one, other)
    assert -1 <= low <= (other - one) / n <= high <= 1 and high - low > 2 / (n + 4)
    assert score_interval(n, other, one) == pytest.approx((-high, -low), abs=1e-9)
    # At 0 the score test is McNemar's without a correction.
    assert excludes_zero((low, high)) == (abs(one - other) > norm.ppf(0.975) * (one + other) ** 0.5)


@pytest.mark.parametrize("n", [10, 16, 50, 200])
@pytest.mark.parametrize("discordance", [0.01, 0.05, 0.2, 0.4])
@pytest.mark.parametrize("second", [0.0, 0.25, 0.5, 1.0])
def test_coverage_counted_out(n, discordance, second):
    """At least 93% everywhere, and at most 98% where ten rows or more are expected to differ."""
    covered = score_coverage(n, discordance, second)
    assert covered >= 0.93
    assert covered <= 0.98 or n * discordance < 10


def test_the_former_interval_missed_it():
    assert old_coverage(16, 0.1, 0.75) < 0.85 < 0.93 < score_coverage(16, 0.1, 0.75)


def test_of_few_rows_that_differ_no_draw_is_made():
    first = [[True, False]] * 30
    assert compare(first, first).interval is None
    assert compare(first, [[True, True]] * 9 + first[9:]).interval is None
    low, high = compare(first, [[True, True]] * 10 + first[10:]).interval
    assert 0 < low < 10 / 60 < high
    assert bootstrap_interval([0.5] * 9, [0.6] * 9, [1.0] * 9) is None


def test_gap_closed_worked_by_hand():
    # 400 rows: base right on 100, few-shot on 200, student on 180: (180 - 100) / (200 - 100).
    columns = [[number < right for number in range(400)] for right in (100, 200, 180)]
    closed = gap_closed(*columns)
    assert closed.share == pytest.approx(0.8)
    # With half a row of each kind: means 100 and 80 of 403, sums of squares and products 102, 82, 81.
    gap, gain, square, product, other = (value / 403 for value in (100, 80, 102, 81, 82))
    scale = norm.ppf(0.975) ** 2 / 403
    a, b, c = (
        first - scale * (second - first)
        for first, second in ((gap**2, square), (gap * gain, product), (gain**2, other))
    )
    half = (b * b - a * c) ** 0.5
    assert closed.interval == pytest.approx(((b - half) / a, (b + half) / a))
    assert closed.gap == compare(*columns[:2]).interval


@pytest.mark.parametrize("right", [0, 20])
def test_a_student_that_answers_as_base_or_teacher_is_no_certainty(right):
    base, few_shot, student = ([number < count for number in range(50)] for count in (0, 20, right))
    closed = gap_closed(base, few_shot, student)
    low, high = closed.interval
    assert closed.share == right / 20 and low < closed.share < high and 0.2 < high - low < 0.6


def test_a_gap_that_is_not_shown_is_not_divided_by():
    base = [False] * 50 + [True] * 50
    better = [False] * 44 + [True] * 56
    assert gap_closed(base, better, better).share == 1.0
    better[44] = False  # five rows, one way: p = 0.0625
    closed = gap_closed(base, better, better)
    assert closed.share is closed.interval is None and closed.gap[0] > 0
    harmed = gap_closed(better, base[:30] + [False] * 70, better)
    assert harmed.share is None and harmed.gap[1] < 0


def test_a_share_beyond_the_gap_is_reported_as_such():
    base, few_shot, student = ([number < right for number in range(300)] for right in (30, 90, 150))
    assert gap_closed(base, few_shot, student).share == pytest.approx(2.0)


def test_a_share_of_scores_has_an_interval_where_enough_rows_differ():
    rng = np.random.default_rng(0)
    base = rng.uniform(0, 0.4, 40).tolist()
    few_shot, student = ([min(1.0, one + gain) for one in base] for gain in (0.5, 0.3))
    few_shot[0] = 1.0
    closed = gap_closed(base, few_shot, student)
    assert closed.interval[0] <= closed.share <= closed.interval[1]
    same = gap_closed(base, few_shot, few_shot)
    assert same.share == 1.0 and same.interval is None


@pytest.mark.parametrize(("copied", "noise"), [(1.0, 0.02), (0.9, 0.0), (0.5, 0.0), (0.0, 0.02)])
def test_gap_closed_covers_where_it_is_reported(copied, noise):
    new, old = gap_coverage(50, gained=0.3, lost=0.02, copied=copied, noise=noise, runs=300)
    assert new >= 0.93
    if copied != 0.5:
        assert old < 0.85
