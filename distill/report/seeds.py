"""Runs that differ in their seed alone -> means over seeds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from distill.report.collect import Collection, Found, base_beside
from distill.report.comparability import SEED, difference, differences
from distill.report.entries import (
    Entry,
    bare_and_prompted,
    baseline_of,
    conditions_of,
    is_bare,
    shown_metrics,
    title_of,
)
from distill.report.labels import MINUS, interval, model_name, percent, points, subject_name, table
from distill.report.paired import RowLogs, compare_entries
from distill.statistics.seeds import SeedMean, over_seeds
from distill.training.provenance import FILE as PROVENANCE

NOTE = (
    "Mean, standard deviation (SD) and 95% t-interval over seeds; gains and shares are taken within each "
    "seed first. The interval says what other seeds would change; the rows are the same for all, and what "
    "other rows would change is in the intervals of the single results."
)

Group = dict[int, dict[int, Found]]
"""Of one model, benchmark and condition, by step and seed."""


class Seeds:
    """What was trained with several seeds.

    Attributes:
        warnings: Why runs are not pooled.
    """

    def __init__(self, collection: Collection, logs: RowLogs) -> None:
        """Group what was collected, and leave out what differs in more than the seed."""
        self._logs = logs
        shown = {id(entry) for entry in collection.entries}
        trained = [one for one in collection.found if one.checkpoint and is_bare(one.entry)]
        self._shown = sorted({one.seed for one in trained if id(one.entry) in shown})
        self._found = collection.found
        self.warnings: list[str] = []
        groups: dict[tuple[str, str, str], Group] = {}
        for one in trained:
            # As `base_beside` has it.
            key = model_name(one.entry["model"]["name"]), one.entry["benchmark"], one.entry["condition"]
            seeds = groups.setdefault(key, {}).setdefault(one.entry["step"], {})
            if seeds.setdefault(one.seed, one) is not one:
                self.warnings.append(
                    f"{title_of(one.entry)}, {_named(one.entry, one.seed)} is in "
                    f"{seeds[one.seed].source} and in {one.source}: over seeds, only the first counts."
                )
        self._groups = {key: group for key, group in groups.items() if self._poolable(key, group)}

    def parts(self) -> list[str]:
        """The section's tables; nothing for a single seed."""
        scores, gains = list(self._score_rows()), list(self._gain_rows())
        columns = ["Step", "Seeds", "Mean", "SD", "95% interval"]
        parts = [table(["Dataset", "Condition", *columns], scores)] if scores else []
        if gains:
            parts += ["### Gains over seeds", table(["Dataset", "Gain", *columns], gains)]
        return [self._which(), *parts, NOTE] if parts else []

    def _which(self) -> str:
        pooled = {seed for group in self._groups.values() for found in group.values() for seed in found}
        return (
            f"Runs with seeds {', '.join(map(str, sorted(pooled)))}. **All other sections show one seed of "
            f"each result: {', '.join(map(str, self._shown))}.**"
        )

    def _poolable(self, key: tuple[str, str, str], group: Group) -> bool:
        """Whether there are several seeds, and nothing but the seed differs."""
        model, _, condition = key
        if all(len(seeds) < 2 for seeds in group.values()):
            return False
        found = [one for seeds in group.values() for one in seeds.values()]
        title = title_of(found[0].entry)
        place = f"{title} ({model}), {condition} is not pooled over seeds"
        asked = [(_named(one.entry, one.seed), one.entry) for one in found]
        bases = {one.seed: base_beside(one, self._found) for one in found}
        asked += [(_named(entry, seed), entry) for seed, base in bases.items() for entry in base]
        warnings = differences(place, asked, but=[SEED])
        trained = {f"seed {one.seed}": _training(one.provenance) for one in found if one.provenance}
        for name in sorted({name for facts in trained.values() for name in facts}):
            warnings += difference(place, name, [(who, facts.get(name)) for who, facts in trained.items()])
        self.warnings += warnings
        if any(not one.provenance for one in found):
            self.warnings.append(
                f"{title} ({model}), {condition}: a training folder without "
                f"{PROVENANCE} is among the seeds, so its training settings are not compared."
            )
        return not warnings

    def _score_rows(self) -> Iterator[list[str]]:
        for (_, _, condition), group in self._ordered():
            title, name = _asked(group)
            for step, seeds in sorted(group.items()):
                rates = {seed: _rate(one.entry, name) for seed, one in seeds.items()}
                if found := over_seeds(list(rates.values())):
                    row = [title, condition, str(step), _listed(rates)]
                    yield [*row, *_summary(found, percent)]

    def _gain_rows(self) -> Iterator[list[str]]:
        for key, group in self._ordered():
            for step, seeds in sorted(group.items()):
                for name, values, write in self._gains(key, step, seeds):
                    if found := over_seeds(list(values.values())):
                        row = [_asked(group)[0], name, str(step), _listed(values)]
                        yield [*row, *_summary(found, write)]

    def _gains(
        self, key: tuple[str, str, str], step: int, seeds: Mapping[int, Found]
    ) -> Iterator[tuple[str, dict[int, float], Callable[[float], str]]]:
        """Name, values by seed and notation: against the base, against SFT, share of the gap."""
        model, benchmark, condition = key
        _, metric = _asked({step: dict(seeds)})
        rates = {seed: _rate(one.entry, metric) for seed, one in seeds.items()}
        over_base, shares = {}, {}
        for seed, one in seeds.items():
            bare, prompted = bare_and_prompted(base_beside(one, self._found))
            if bare is None:
                continue
            over_base[seed] = rates[seed] - _rate(bare, metric)
            gap = compare_entries(bare, prompted, metric, self._logs) if prompted else None
            if prompted and gap and gap.better:
                shares[seed] = over_base[seed] / (_rate(prompted, metric) - _rate(bare, metric))
        yield f"{condition} {MINUS} base 0-shot", over_base, points
        rival = self._baseline(model, benchmark)
        if rival and condition != rival:
            baseline = self._groups[model, benchmark, rival].get(step, {})
            both = {
                seed: rates[seed] - _rate(baseline[seed].entry, metric) for seed in seeds if seed in baseline
            }
            yield f"{condition} {MINUS} {rival}", both, points
        if len(shares) == len(seeds):  # a share of no gap is none, and the others alone would mislead
            yield f"ICL gap closed by {condition}", shares, lambda share: f"{100 * share:.0f}%"

    def _baseline(self, model: str, benchmark: str) -> str | None:
        own = [group for key, group in self._groups.items() if key[:2] == (model, benchmark)]
        return baseline_of(conditions_of(map(_entry_of, own)))

    def _ordered(self) -> list[tuple[tuple[str, str, str], Group]]:
        conditions = list(conditions_of(map(_entry_of, self._groups.values())))
        return sorted(self._groups.items(), key=lambda item: (*item[0][:2], conditions.index(item[0][2])))


def _entry_of(group: Group) -> Entry:
    return next(one.entry for seeds in group.values() for one in seeds.values())


def _asked(group: Group) -> tuple[str, str]:
    """The task's title, and its primary metric."""
    entry = _entry_of(group)
    return title_of(entry), shown_metrics(entry)[0]


def _training(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a training but for its seed and what follows from it."""
    data = provenance.get("data", {})
    named = {
        name: data[name]
        for name in data
        if not isinstance(data[name], dict | list) and not name.endswith("left_out") and name != "source"
    }
    own = {name: provenance[name] for name in ("world_size", "trainer", "revision") if name in provenance}
    return (
        own | provenance.get("settings", {}) | {f"the data's {name}": value for name, value in named.items()}
    )


def _named(entry: Entry, seed: int) -> str:
    return f"seed {seed} {subject_name(entry)}"


def _rate(entry: Entry, metric: str) -> float:
    return float(entry["metrics"][metric]["rate"])


def _listed(values: Mapping[int, float]) -> str:
    return f"{len(values)} ({', '.join(map(str, sorted(values)))})"


def _summary(found: SeedMean, write: Callable[[float], str]) -> list[str]:
    return [write(found.mean), percent(found.sd), interval(found.interval)]
