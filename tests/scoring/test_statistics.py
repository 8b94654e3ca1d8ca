import math
import random
import statistics

import pytest

from lm_eval_tasks.scoring.intervals import clustered_stderr, effective_n, wilson_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # By hand from Wilson's formula, z = 1.959964.
    [(39, 541, 0.05314, 0.09707), (0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (1, 1, 0.20654, 1.0)],
)
def test_wilson(successes, n, low, high):
    assert wilson_interval(successes / n, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_bounds_solve_its_equation():
    low, high = wilson_interval(0.3, 50)
    assert low < 0.3 < high
    for bound in (low, high):
        z = statistics.NormalDist().inv_cdf(0.975)
        assert abs(0.3 - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / 50))


def test_without_observations_nothing_is_known():
    assert wilson_interval(0.0, 0) == (0.0, 1.0)
    assert clustered_stderr([]) is None
    assert clustered_stderr([(1, 2)]) is None


def test_clusters_of_one_give_the_ordinary_standard_error():
    values = [1, 0, 0, 1, 1]
    expected = statistics.stdev(values) / math.sqrt(len(values))
    assert clustered_stderr([(value, 1) for value in values]) == pytest.approx(expected)


def test_repeating_every_observation_tells_nothing_new():
    values = [1, 0, 0, 1, 1]
    once = clustered_stderr([(value, 1) for value in values])
    assert clustered_stderr([(3 * value, 3) for value in values]) == pytest.approx(once)
    assert effective_n(0.6, once, clusters=5, n=15) == pytest.approx(5)


def test_clustered_equals_the_naive_double_sum():
    rng = random.Random(0)
    groups = [[rng.random() < 0.4 for _ in range(rng.randint(1, 4))] for _ in range(30)]
    flat = [value for group in groups for value in group]
    mean = sum(flat) / len(flat)
    cross = sum((a - mean) * (b - mean) for group in groups for a in group for b in group)
    naive = math.sqrt(cross * 30 / 29) / len(flat)
    assert clustered_stderr([(sum(group), len(group)) for group in groups]) == pytest.approx(naive)


def test_effective_n_is_n_for_independent_observations():
    assert effective_n(0.5, 0.02, clusters=541, n=541) == 541
    assert effective_n(1.0, 0.0, clusters=541, n=834) == 541
