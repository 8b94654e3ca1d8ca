"""Common prefixes are found from token ids alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.encoding.prefixes import common_prefix, covered, find_prefixes


def prompts(prefix, number, seed=0, length=20):
    rng = random.Random(seed)
    return [[*prefix, 900 + i, *(rng.randrange(500) for _ in range(length))] for i in range(number)]


def test_one_set_of_demonstrations_is_one_prefix():
    shared = list(range(300))
    assert find_prefixes(prompts(shared, 40)) == [shared]


def test_each_set_has_its_own_prefix_the_most_saving_first():
    small, large = [1, *range(100)], [1, *range(500, 900)]
    found = find_prefixes([*prompts(small, 30), *prompts(large, 30, seed=1)])
    assert found == [large, small]


def test_rows_with_fewer_demonstrations_do_not_shorten_the_others():
    whole = list(range(300))
    mixed = [*prompts(whole, 50), *prompts(whole[:200], 2, seed=1)]
    assert find_prefixes(mixed)[0] == whole


def test_demonstrations_of_each_row_leave_what_the_template_begins_with():
    rng = random.Random(0)
    rows = [[7, 8, 9, *(rng.randrange(10_000) for _ in range(50))] for _ in range(40)]
    assert find_prefixes(rows) == [[7, 8, 9]]


@pytest.mark.parametrize("rows", [[], [[1, 2]], [[1, 2], [3, 4]]])
def test_nothing_to_share(rows):
    assert find_prefixes(rows) == []


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=30))
def test_prefixes_begin_prompts_and_save_at_least_what_all_share(rows):
    found = find_prefixes(rows)
    assert all(any(row[: len(prefix)] == prefix for row in rows) for prefix in found)
    assert len(found) <= 8
    assert covered(rows, found) >= covered(rows, [common_prefix(rows)]) - len(common_prefix(rows))
