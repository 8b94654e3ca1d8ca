"""`sentence:*`: from one sentence to the next."""

import re
from itertools import pairwise

from lm_eval_tasks.benchmarks.ifbench.text import EDGES, bare, sentences
from lm_eval_tasks.scoring.constraints import constraint


@constraint("sentence:alliteration_increment")
def alliteration_increment(text: str) -> bool:
    """Every sentence has more words in alliterating runs than the one before; the first may have none."""
    counts = [_alliterating(sentence) for sentence in sentences(text)]
    return all(one < other for one, other in pairwise(counts))


def _alliterating(sentence: str) -> int:
    """The number of words in runs of two or more with the same first letter, all runs together."""
    initials = [word[0] for word in (word.lstrip(EDGES) for word in sentence.lower().split()) if word]
    same = [one == other for one, other in pairwise(initials)]
    runs = sum(here and not before for before, here in pairwise([False, *same]))
    return sum(same) + runs


@constraint("sentence:keyword")
def keyword(text: str, *, word: str, N: int) -> bool:
    """The N-th sentence has the word, in any case."""
    found = sentences(text)
    pattern = rf"\b{re.escape(word)}\b"
    return 1 <= N <= len(found) and bool(re.search(pattern, found[N - 1], re.IGNORECASE))


@constraint("sentence:increment")
def increment(text: str, *, small_n: int) -> bool:
    """Every sentence has exactly so many words more than the one before."""
    lengths = [len(bare(sentence).split()) for sentence in sentences(text)]
    return all(other - one == small_n for one, other in pairwise(lengths))
