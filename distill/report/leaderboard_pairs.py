"""Models of a leaderboard against each other, row by row; and what forbids to compare them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from distill.evaluation.result import Result, same_rows
from distill.report.comparability import BASE_MODEL, PROMPTS, SEED, difference, differences, differing
from distill.report.labels import model_name
from distill.report.paired import columns
from distill.statistics.paired import Paired, compare
from distill.statistics.significance import holm
from lm_eval_tasks.benchmarks import BENCHMARKS

Json = dict[str, Any]
Question = tuple[str, int, str]
"""Task, number of demonstrations, view."""

_NOT_COMPARED = (BASE_MODEL, SEED, "the number of rows")
"""Models differ; a seed decides nothing where nothing is drawn; rows have a warning of their own."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A result on a leaderboard.

    Attributes:
        result: The result.
        model: Who answered, as the leaderboard has it.
        record: What was asked, and the metrics, as the leaderboard has them.
    """

    result: Result
    model: Json
    record: Json

    @property
    def question(self) -> Question:
        """What was asked; a benchmark stands for its tasks, which differ in demonstrations."""
        entry = self.result.entry
        return entry["benchmark"], entry["num_fewshot"], entry["view"]

    @property
    def place(self) -> str:
        """Such as `gsm8k_icl_fewshot, 8-shot`."""
        return f"{self.result.task}, {self.result.entry['num_fewshot']}-shot"

    @property
    def compared(self) -> list[str]:
        """The metrics that models are compared in: the primary one, and the first over instructions.

        Of a task that is not ours, one that has a verdict, or a score from 0 to 1, on every row.
        """
        metrics, rows = self.result.entry["metrics"], self.result.rows
        names = [name for name in metrics if rows and all(name in row for row in rows.values())]
        if (known := BENCHMARKS.get(self.result.entry["benchmark"])) is not None:
            first, *others = known.scores
            pooled = [score.name for score in others if score.unit == "instruction"][:1]
            return [name for name in (first.name, *pooled) if name in names]
        return [name for name in names if self._are_scores(name)][:1]

    def _are_scores(self, name: str) -> bool:
        values = [row[name] for row in (self.result.rows or {}).values()]
        return all(isinstance(value, int | float) and 0 <= value <= 1 for value in values)


def label(model: Json) -> str:
    """Such as `Qwen/Qwen3-1.7B + online_v1/checkpoint-200 (vllm, bfloat16)`."""
    adapter = f" + {_short(model['adapter'])}" if model["adapter"] else ""
    revision = f" at {model['revision']}" if model["revision"] else ""
    return f"{_short(model['model'])}{revision}{adapter} ({model['backend']}, {model['dtype']})"


def comparisons(ranked: Sequence[Ranked]) -> list[Json]:
    """All pairs of models that answered the same rows of a task, with the same number of demonstrations.

    P-values are adjusted for all pairs together; they are of the primary metric alone, so that the number of
    metrics does not weaken them.
    """
    found = [
        line
        for group in _questions(ranked).values()
        for first, second in combinations(group, 2)
        if first.model is not second.model and same_rows(first.result, second.result)
        for line in _compare(first, second)
    ]
    tested = [(line, paired) for line, paired in found if line["p"] is not None]
    for (line, paired), adjusted in zip(tested, holm([line["p"] for line, _ in tested]), strict=True):
        line |= {"detectable": paired.detectable(len(tested)), "p_holm": adjusted}
    return [line for line, _ in found]


def leaderboard_warnings(ranked: Sequence[Ranked]) -> list[str]:
    """What differs between records of one task, and which of them have no pair."""
    found = []
    for group in _questions(ranked).values():
        place = group[0].place
        found += _repeats(place, group)
        if len({id(one.model) for one in group}) > 1:
            named = [(label(one.model), one.result.entry) for one in group]
            rows = _rows(place, group)
            # Other rows have other prompts.
            found += differences(place, named, but=(*_NOT_COMPARED, *([PROMPTS] if rows else []))) + rows
    return found + _shots(ranked)


def _short(name: str) -> str:
    """A model's name; a checkpoint's with its run's."""
    folder = Path(name)
    return (
        f"{folder.parent.name}/{folder.name}" if folder.name.startswith("checkpoint-") else model_name(name)
    )


def _questions(ranked: Iterable[Ranked]) -> dict[Question, list[Ranked]]:
    groups: dict[Question, list[Ranked]] = {}
    for one in ranked:
        groups.setdefault(one.question, []).append(one)
    return dict(sorted(groups.items()))


def _compare(first: Ranked, second: Ranked) -> Iterator[tuple[Json, Paired]]:
    """Each compared metric: its line, as far as it does not depend on the others."""
    for name in (name for name in first.compared if name in second.compared):
        values = columns([first.result, second.result], name)
        if values is None:
            continue
        paired = compare(*values)
        line = {
            "task": first.record["task"],
            "num_fewshot": first.record["num_fewshot"],
            "metric": name,
            "first": label(first.model),
            "second": label(second.model),
            **_tested(paired, pooled=any(isinstance(verdict, list) for verdict in values[0])),
            "p_holm": None,
            "differs": differing(first.result.entry, second.result.entry, but=_NOT_COMPARED),
            "results_files": [first.record["results_file"], second.record["results_file"]],
        }
        yield line, paired


def _tested(paired: Paired, *, pooled: bool) -> Json:
    """Values of whole rows are tested; verdicts on instructions, pooled, have an interval over prompts."""
    found = {"n": paired.n, "difference": paired.difference, "interval": paired.interval}
    tested = (paired.only_first, paired.only_second, paired.p)
    names = ("only_first", "only_second", "p")
    return found | dict(zip(names, [None] * 3 if pooled else tested, strict=True)) | {"detectable": None}


def _repeats(place: str, group: Sequence[Ranked]) -> list[str]:
    """Models with several records of one question: shards, or another way of asking."""
    found = []
    for model in {id(one.model): one.model for one in group}.values():
        own = [one for one in group if one.model is model]
        if len(own) > 1:
            files = ", ".join(one.record["results_file"] for one in own)
            found.append(
                f"{place}: {label(model)} stands here {len(own)} times, on other rows or asked in another "
                f"way; they are not merged: {files}."
            )
    return found


def _rows(place: str, group: Sequence[Ranked]) -> list[str]:
    unlogged = [label(one.model) for one in group if one.result.rows is None]
    spans = [(label(one.model), _span(one.record)) for one in group if one.result.rows is not None]
    logged = [one.result for one in group if one.result.rows is not None]
    same = all(same_rows(logged[0], other) for other in logged[1:])
    found = [] if same else difference(place, "the set of rows", spans)
    if unlogged:
        names = ", ".join(unlogged)
        found.append(f"{place}: no rows were logged for {names}, so nothing is paired. Use --log_samples.")
    return found


def _span(record: Json) -> str:
    rows = record["rows"]
    return f"{record['n']} rows from {rows['first']} to {rows['last']} ({rows['fingerprint']})"


def _shots(ranked: Sequence[Ranked]) -> list[str]:
    """Tasks that models were asked with other numbers of demonstrations: those have no pair."""
    tasks: dict[str, dict[str, set[int]]] = {}
    for one in ranked:
        models = tasks.setdefault(one.result.entry["benchmark"], {})
        models.setdefault(label(one.model), set()).add(one.record["num_fewshot"])
    return [
        warning
        for task, models in tasks.items()
        for warning in difference(
            task, "num_fewshot", [(who, ", ".join(map(str, sorted(k)))) for who, k in models.items()]
        )
    ]
