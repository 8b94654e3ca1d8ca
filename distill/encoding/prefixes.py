"""What many prompts begin with, found from their token ids."""

from collections.abc import Sequence


def common_prefix(prompts: Sequence[Sequence[int]]) -> list[int]:
    """The longest token sequence that all prompts begin with."""
    # What the lexicographically first and last share, all between them share too.
    ordered = sorted(map(list, prompts))
    first, last = ordered[0], ordered[-1]
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]
