"""Runs that differ in their seed alone: which they are, and what keeps others from being pooled."""

from collections.abc import Mapping
from typing import Any

from distill.evaluation.result import Result
from distill.report.collect import Collection, base_beside
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
from distill.report.labels import model_name, subject_name
from distill.report.paired import RowLogs, compare_entries
from distill.report.teachers import Teachers
from distill.statistics.seeds import SeedMean, over_seeds
from distill.training.provenance import FILE as PROVENANCE

Key = tuple[str, str, str]
"""Model, benchmark and condition."""
Group = dict[int, dict[int, Result]]
"""Of one model, benchmark and condition, by step and seed."""


class Seeds:
    """What was trained with several seeds.

    Attributes:
        warnings: Why runs are not pooled.
        shown: The seeds of the entries that other sections show.
        groups: What is pooled.
    """

    def __init__(self, collection: Collection, logs: RowLogs, teachers: Teachers) -> None:
        """Group what was collected, and leave out what differs in more than the seed."""
        self._logs = logs
        self._teachers = teachers
        shown = {id(entry) for entry in collection.entries}
        trained = [one for one in collection.found if one.checkpoint and is_bare(one.entry)]
        self.shown = sorted({one.seed for one in trained if id(one.entry) in shown})
        self._found = collection.found
        self.warnings: list[str] = []
        groups: dict[Key, Group] = {}
        for one in trained:
            seeds = groups.setdefault(_key(one.entry), {}).setdefault(one.entry["step"], {})
            if seeds.setdefault(one.seed, one) is not one:
                self.warnings.append(
                    f"{title_of(one.entry)}, {_named(one.entry, one.seed)} is in "
                    f"{seeds[one.seed].source} and in {one.source}: over seeds, only the first counts."
                )
        self.groups: dict[Key, Group] = {
            key: group for key, group in groups.items() if self._poolable(key, group)
        }

    def of(self, entry: Entry) -> dict[int, Result]:
        """By seed the pooled results that a checkpoint's bare entry is one of; none where it stands alone."""
        found = self.groups.get(_key(entry), {}).get(entry["step"], {}) if is_bare(entry) else {}
        return found if len(found) > 1 else {}

    def score(self, entry: Entry) -> SeedMean | None:
        """The primary metric's rate over the seeds of a checkpoint's entry."""
        name = shown_metrics(entry)[0]
        return over_seeds([rate_of(one.entry, name) for one in self.of(entry).values()])

    def gain(self, first: Entry, second: Entry) -> SeedMean | None:
        """Second minus first over the seeds of the second: against the bare base model, or a checkpoint."""
        seeds = self.of(second)
        found = self.over_base(seeds) if first["step"] is None else self.over(self.of(first), seeds)
        return over_seeds(list(found.values()))

    def over_base(self, seeds: Mapping[int, Result]) -> dict[int, float]:
        """Gains over the bare base model, by seed."""
        found = {}
        for seed, one in seeds.items():
            if bare := bare_and_prompted(base_beside(one, self._found))[0]:
                name = shown_metrics(one.entry)[0]
                found[seed] = rate_of(one.entry, name) - rate_of(bare, name)
        return found

    @staticmethod
    def over(rival: Mapping[int, Result], seeds: Mapping[int, Result]) -> dict[int, float]:
        """Gains over another condition, by the seeds that both have."""
        both = [(seed, rival[seed].entry, one.entry) for seed, one in seeds.items() if seed in rival]
        names = {seed: shown_metrics(other)[0] for seed, _, other in both}
        return {seed: rate_of(other, names[seed]) - rate_of(one, names[seed]) for seed, one, other in both}

    def shares_closed(self, seeds: Mapping[int, Result]) -> dict[int, float]:
        """Shares of the gap closed, by seed; nothing unless every seed's gap is shown."""
        found = {}
        for seed, gain in self.over_base(seeds).items():
            name = shown_metrics(seeds[seed].entry)[0]
            beside = base_beside(seeds[seed], self._found)
            bare, _ = bare_and_prompted(beside)
            prompted = self._teachers.prompted(seeds[seed].entry, beside)
            gap = compare_entries(bare, prompted, name, self._logs) if bare and prompted else None
            if bare and prompted and gap and gap.better:
                found[seed] = gain / (rate_of(prompted, name) - rate_of(bare, name))
        return found if len(found) == len(seeds) else {}

    def baseline(self, model: str, benchmark: str) -> str | None:
        """The pooled condition that the others are compared with."""
        own = [group for key, group in self.groups.items() if key[:2] == (model, benchmark)]
        return baseline_of(conditions_of(map(entry_of, own)))

    def _poolable(self, key: Key, group: Group) -> bool:
        """Whether there are several seeds, and nothing but the seed differs."""
        model, _, condition = key
        if all(len(seeds) < 2 for seeds in group.values()):
            return False
        found = [one for seeds in group.values() for one in seeds.values()]
        title = title_of(found[0].entry)
        place = f"{title} ({model}), {condition} is not pooled over seeds"
        asked: list[tuple[str, Entry]] = [(_named(one.entry, one.seed), one.entry) for one in found]
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


def rate_of(entry: Entry, metric: str) -> float:
    """A metric's rate."""
    return float(entry["metrics"][metric]["rate"])


def entry_of(group: Group) -> Entry:
    """One of a group's entries: they differ in step and seed."""
    return next(one.entry for seeds in group.values() for one in seeds.values())


def _key(entry: Entry) -> Key:
    # As `base_beside` has it.
    return model_name(entry["model"]["name"]), entry["benchmark"], entry["condition"]


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
