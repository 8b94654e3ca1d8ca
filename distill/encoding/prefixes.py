"""What many prompts begin with, found from their token ids.

A teacher that reads the same demonstrations before every question need run them only once. Nobody says where
they end: it is where the prompts' token ids part.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

Part = TypeVar("Part", int, str)
"""A token id, or a character."""

MOST_PREFIXES = 8
"""Prefixes whose keys and values are kept at the same time."""

_TRIED = 32


def common_prefix(prompts: Sequence[Sequence[Part]]) -> list[Part]:
    """The longest sequence of tokens, or of a text's characters, that all prompts begin with."""
    # What the lexicographically first and last share, all between them share too.
    first, last = min(map(list, prompts)), max(map(list, prompts))
    return first[: _shared(first, last)]


def find_prefixes(prompts: Sequence[Sequence[int]], *, most: int = MOST_PREFIXES) -> list[list[int]]:
    """The few prefixes that save the most tokens, were each run once in the place of every prompt it begins.

    Sorted, prompts that share much are neighbours. Those that share at least so many tokens with their
    neighbour make a group; the number of tokens is chosen so that the groups save most.

    Args:
        prompts: Token ids.
        most: Prefixes at most.

    Returns:
        The prefixes, the most saving first; none where there is nothing to share.
    """
    ordered = sorted(map(list, prompts))
    shared = [_shared(a, b) for a, b in pairwise(ordered)]
    known = sorted(set(shared) - {0})
    # A training set's prompts part at many places; some of them, evenly chosen, do.
    tried = (
        known
        if len(known) <= _TRIED
        else [known[i * (len(known) - 1) // (_TRIED - 1)] for i in range(_TRIED)]
    )
    best: list[tuple[int, list[int]]] = []
    for least in tried:
        groups = _groups(ordered, shared, least)
        if 0 < len(groups) <= most and _saving(groups) > _saving(best):
            best = groups
    return [prefix for _, prefix in sorted(best, key=lambda group: -group[0])]


def prefixes_of(rows: Iterable[Mapping[str, Any]]) -> list[list[int]]:
    """`find_prefixes` of the teacher prompts of token rows."""
    return find_prefixes([row["teacher_prompt_ids"] for row in rows])


def covered(prompts: Sequence[Sequence[int]], prefixes: Sequence[Sequence[int]]) -> int:
    """Tokens of `prompts` that stand in the prefix which serves each best; one of each is left."""
    return sum(
        max((min(_shared(prompt, prefix), len(prompt) - 1) for prefix in prefixes), default=0)
        for prompt in prompts
    )


def _groups(ordered: Sequence[list[int]], shared: Sequence[int], least: int) -> list[tuple[int, list[int]]]:
    """(tokens saved, prefix) of each run of prompts whose neighbours share at least `least` tokens."""
    groups = []
    begin = 0
    for end in range(1, len(ordered) + 1):
        if end < len(ordered) and shared[end - 1] >= least:
            continue
        if end - begin > 1:
            length = min(shared[begin : end - 1])
            groups.append(((end - begin - 1) * length, ordered[begin][:length]))
        begin = end
    return groups


def _saving(groups: Sequence[tuple[int, list[int]]]) -> int:
    return sum(saved for saved, _ in groups)


def _shared(a: Sequence[Part], b: Sequence[Part]) -> int:
    """How many parts two sequences begin with alike."""
    length = min(len(a), len(b))
    # Slices are compared in C: a search by halves beats a walk in Python.
    return bisect_left(range(length), True, key=lambda at: a[: at + 1] != b[: at + 1])
