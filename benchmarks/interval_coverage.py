"""How often 95% intervals of paired differences hold the true one: the score interval beside the bootstrap.

    python benchmarks/interval_coverage.py

prints the tables of docs/statistics.md, in about a minute. A row is right for both of two models, for one of
them or for none; `discordance` is the chance of the second, and `second` the share of it that favours the
second model. The score interval's coverage is counted out over all outcomes; the bootstrap's (2,000 draws)
and that of gap closed are simulated with a fixed seed.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import numpy as np
from scipy.stats import binom

from distill.statistics.gap import share_interval
from distill.statistics.intervals import Interval, score_interval
from distill.statistics.significance import LEVEL, mcnemar

SIZES = (10, 16, 50, 200, 541)
DISCORDANCES = (0.01, 0.05, 0.1, 0.2, 0.4)
SECONDS = (0.0, 0.25, 0.5, 0.75, 1.0)
_DRAWS = 2_000
_UNLIKELY = 1e-7


def score_coverage(n: int, discordance: float, second: float) -> float:
    """The score interval's coverage, summed over all outcomes but those of a chance below 1e-7."""
    true, covered = discordance * (2 * second - 1), 0.0
    for differing in range(n + 1):
        chance = binom.pmf(differing, n, discordance)
        if chance > _UNLIKELY:
            splits = chance * binom.pmf(np.arange(differing + 1), differing, second)
            for only_second in np.flatnonzero(splits > _UNLIKELY):
                low, high = score_interval(n, differing - int(only_second), int(only_second))
                covered += splits[only_second] * (low - 1e-9 <= true <= high + 1e-9)
    return float(covered)


def old_coverage(n: int, discordance: float, second: float, *, runs: int = 500) -> float:
    """The paired bootstrap's coverage in `runs` simulated comparisons."""
    true = discordance * (2 * second - 1)
    shares = [discordance * (1 - second), discordance * second, 1 - discordance]
    draws = np.random.default_rng(1).multinomial(n, shares, size=runs)
    found = [_bootstrap(n, int(first), int(other)) for first, other, _ in draws]
    return float(np.mean([low - 1e-9 <= true <= high + 1e-9 for low, high in found]))


@cache
def _bootstrap(n: int, only_first: int, only_second: int) -> Interval:
    shares = [only_first / n, only_second / n, 1 - (only_first + only_second) / n]
    draws = np.random.default_rng(2).multinomial(n, shares, size=_DRAWS)
    low, high = np.percentile((draws[:, 1] - draws[:, 0]) / n, [2.5, 97.5], method="inverted_cdf")
    return float(low), float(high)


def gap_coverage(
    n: int, *, gained: float, lost: float, copied: float, noise: float, runs: int = 500
) -> tuple[float, float]:
    """Coverage of gap closed, now and by the bootstrap, in those of `runs` runs that show a gap at all.

    Args:
        n: Rows.
        gained: Chance that a row is right with the prompt alone.
        lost: Chance that it is right without the prompt alone.
        copied: Chance that the student answers such a row as the prompted model does, else as the bare one.
        noise: Chance that a row of the student turns into its opposite.
        runs: Simulated bakes.
    """
    kinds = np.array(list(product((0, 1), repeat=3)))
    shares = np.array([_chance(*kind, gained, lost, copied, noise) for kind in kinds])
    gap, gain = kinds[:, 1] - kinds[:, 0], kinds[:, 2] - kinds[:, 0]
    true = (shares @ gain) / (shares @ gap)
    rng = np.random.default_rng(3)
    hits = []
    for counts in rng.multinomial(n, shares, size=runs):
        up, down = int(counts[gap > 0].sum()), int(counts[gap < 0].sum())
        if up > down and mcnemar(down, up) < LEVEL:
            columns = np.repeat(kinds, counts, axis=0).astype(bool).T.tolist()
            drawn = rng.multinomial(n, counts / n, size=_DRAWS)
            whole, gained_ = drawn @ gap, (drawn @ gain).astype(float)
            found = np.divide(gained_, whole, out=np.copysign(np.inf, gained_), where=whole > 0)
            old = np.percentile(found, [2.5, 97.5], method="inverted_cdf")
            ends = share_interval(*columns), old
            hits.append([low - 1e-9 <= true <= high + 1e-9 for low, high in ends])
    new, former = np.mean(hits, axis=0)
    return float(new), float(former)


def _chance(
    base: int, few_shot: int, student: int, gained: float, lost: float, copied: float, noise: float
) -> float:
    """Chance of a row that the three models get right (1) or wrong (0); as many of the others are right."""
    pair = {(0, 1): gained, (1, 0): lost}.get((base, few_shot), (1 - gained - lost) / 2)
    right = copied * few_shot + (1 - copied) * base
    right = right * (1 - noise) + (1 - right) * noise
    return pair * (right if student else 1 - right)


def _worst(coverage: Callable[[int, float, float], float], n: int, discordance: float) -> tuple[float, float]:
    found = [coverage(n, discordance, second) for second in SECONDS]
    return min(found), max(found)


def lines() -> Iterator[str]:
    """The two Markdown tables."""
    yield "| rows | rows that differ | bootstrap, lowest | highest | score interval, lowest | highest |"
    yield "|---|---|---|---|---|---|"
    for n, discordance in product(SIZES, DISCORDANCES):
        ends = [*_worst(old_coverage, n, discordance), *_worst(score_coverage, n, discordance)]
        yield f"| {n} | {discordance:.0%} | {' | '.join(f'{end:.1%}' for end in ends)} |"
    yield ""
    yield "| rows | gained, lost | student | bootstrap | now |"
    yield "|---|---|---|---|---|"
    for (n, gained, lost), (copied, noise) in product(
        [(50, 0.3, 0.02), (200, 0.08, 0.01), (541, 0.04, 0.02), (541, 0.2, 0.05)],
        [(1.0, 0.02), (0.9, 0.0), (0.5, 0.0), (0.0, 0.02)],
    ):
        new, old = gap_coverage(n, gained=gained, lost=lost, copied=copied, noise=noise)
        student = f"{copied:.0%} as prompted, {noise:.0%} turned"
        yield f"| {n} | {gained:.0%}, {lost:.0%} | {student} | {old:.1%} | {new:.1%} |"


if __name__ == "__main__":
    print("\n".join(lines()))
