"""The section of means over seeds."""

from collections.abc import Callable, Iterator, Mapping

from distill.evaluation.result import Result
from distill.report.entries import conditions_of, shown_metrics, title_of
from distill.report.labels import MINUS, interval, percent, points, table
from distill.report.seed_groups import Group, Key, Seeds, entry_of, rate_of
from distill.statistics.seeds import SeedMean, over_seeds

NOTE = (
    "Mean, standard deviation (SD) and 95% t-interval over seeds; gains and shares are taken within each "
    "seed first. The interval says what other seeds would change; the rows are the same for all, and what "
    "other rows would change is in the intervals of the single results."
)


def seed_parts(seeds: Seeds) -> list[str]:
    """The section's tables; nothing for a single seed."""
    scores, gains = list(_score_rows(seeds)), list(_gain_rows(seeds))
    columns = ["Step", "Seeds", "Mean", "SD", "95% interval"]
    parts = [table(["Dataset", "Condition", *columns], scores)] if scores else []
    if gains:
        parts += ["### Gains over seeds", table(["Dataset", "Gain", *columns], gains)]
    return [_which(seeds), *parts, NOTE] if parts else []


def _which(seeds: Seeds) -> str:
    pooled = {seed for group in seeds.groups.values() for found in group.values() for seed in found}
    return (
        f"Runs with seeds {', '.join(map(str, sorted(pooled)))}. **All other sections show one seed of "
        f"each result: {', '.join(map(str, seeds.shown))}.**"
    )


def _score_rows(seeds: Seeds) -> Iterator[list[str]]:
    for (_, _, condition), group in _ordered(seeds):
        entry = entry_of(group)
        for step, found in sorted(group.items()):
            rates = {seed: rate_of(one.entry, shown_metrics(entry)[0]) for seed, one in found.items()}
            if mean := over_seeds(list(rates.values())):
                yield [title_of(entry), condition, str(step), _listed(rates), *_summary(mean, percent)]


def _gain_rows(seeds: Seeds) -> Iterator[list[str]]:
    for key, group in _ordered(seeds):
        for step, found in sorted(group.items()):
            for name, values, write in _gains(seeds, key, step, found):
                if mean := over_seeds(list(values.values())):
                    row = [title_of(entry_of(group)), name, str(step), _listed(values)]
                    yield [*row, *_summary(mean, write)]


def _gains(
    seeds: Seeds, key: Key, step: int, found: Mapping[int, Result]
) -> Iterator[tuple[str, dict[int, float], Callable[[float], str]]]:
    """Name, values by seed and notation: against the base, against SFT, share of the gap."""
    model, benchmark, condition = key
    yield f"{condition} {MINUS} base 0-shot", seeds.over_base(found), points
    rival = seeds.baseline(model, benchmark)
    if rival and condition != rival:
        baseline = seeds.groups[model, benchmark, rival].get(step, {})
        yield f"{condition} {MINUS} {rival}", seeds.over(baseline, found), points
    yield f"ICL gap closed by {condition}", seeds.shares_closed(found), lambda share: f"{100 * share:.0f}%"


def _ordered(seeds: Seeds) -> list[tuple[Key, Group]]:
    conditions = list(conditions_of(map(entry_of, seeds.groups.values())))
    return sorted(seeds.groups.items(), key=lambda item: (*item[0][:2], conditions.index(item[0][2])))


def _listed(values: Mapping[int, float]) -> str:
    return f"{len(values)} ({', '.join(map(str, sorted(values)))})"


def _summary(found: SeedMean, write: Callable[[float], str]) -> list[str]:
    return [write(found.mean), percent(found.sd), interval(found.interval)]
