"""Models of a leaderboard against each other, row by row; and what forbids to compare them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from distill.report.comparability import difference
from distill.report.labels import model_name
from distill.report.lm_eval_rows import Json, Rows, compared_metrics
from distill.statistics.paired import Paired, compare
from distill.statistics.significance import holm


@dataclass(frozen=True, slots=True)
class Answered:
    """One record of a leaderboard, and what pairing needs of its rows.

    Attributes:
        model: Who answered.
        record: What was asked, and the metrics.
        docs: The rows asked; None if they were not logged.
        prompts: A digest of the prompts.
        verdicts: By compared metric, one value a row; the primary metric first.
    """

    model: Json
    record: Json
    docs: Sequence[str] | None
    prompts: str | None
    verdicts: dict[str, Sequence[Any]]

    @classmethod
    def of(cls, model: Json, record: Json, rows: Rows | None) -> "Answered":
        """For a record and its rows."""
        if rows is None:
            return cls(model, record, None, None, {})
        names = compared_metrics(record["benchmark"], record["metrics"], rows)
        return cls(model, record, rows.docs, rows.prompts, {name: rows.verdicts(name) for name in names})


_FIELDS: dict[str, Callable[[Answered], Any]] = {
    "the backend": lambda one: one.model["backend"],
    "dtype": lambda one: one.model["dtype"],
    "the task's version": lambda one: one.record["version"],
    "the data fingerprint": lambda one: one.record["asked"].get("data_fingerprint"),
    "the pool of demonstrations": lambda one: one.record["asked"].get("pool_fingerprint"),
    "the choice of demonstrations": lambda one: one.record["asked"].get("demonstrations"),
    "the demonstrations' seed": lambda one: one.record["asked"].get("demonstration_seed"),
    "enable_thinking": lambda one: one.record["asked"].get("enable_thinking"),
    "the generation settings": lambda one: one.record["generation_kwargs"],
    "the system instruction": lambda one: one.record["system_instruction_sha"],
    "the chat template": lambda one: one.record["chat_template_sha"],
    "lm_eval's version": lambda one: one.record["versions"].get("lm_eval"),
    "icl-distill's version": lambda one: one.record["versions"].get("icl-distill"),
    "transformers' version": lambda one: one.record["versions"].get("transformers"),
}


def label(model: Json) -> str:
    """Such as `Qwen/Qwen3-1.7B + online_v1/checkpoint-200 (vllm, bfloat16)`."""
    adapter = f" + {_short(model['adapter'])}" if model["adapter"] else ""
    revision = f" at {model['revision']}" if model["revision"] not in (None, "main") else ""
    return f"{_short(model['model'])}{revision}{adapter} ({model['backend']}, {model['dtype']})"


def comparisons(answered: Sequence[Answered]) -> list[Json]:
    """All pairs of models that answered the same rows of a task, with the same number of demonstrations.

    P-values are adjusted for all pairs together; they are of the primary metric alone, so that the number of
    metrics does not weaken them.
    """
    found = [
        line
        for group in _questions(answered).values()
        for first, second in combinations(group, 2)
        if first.model is not second.model and first.docs is not None and first.docs == second.docs
        for line in _compare(first, second)
    ]
    tested = [(line, paired) for line, paired in found if line["p"] is not None]
    for (line, paired), adjusted in zip(tested, holm([line["p"] for line, _ in tested]), strict=True):
        line |= {"detectable": paired.detectable(len(tested)), "p_holm": adjusted}
    return [line for line, _ in found]


def comparison_warnings(answered: Sequence[Answered]) -> list[str]:
    """What differs between records of one task, and which of them have no pair."""
    found = []
    for (task, k), group in _questions(answered).items():
        place = f"{task}, {k}-shot"
        found += _repeats(place, group)
        if _several_models(group):
            for name, read in _FIELDS.items():
                found += difference(place, name, [(label(one.model), read(one)) for one in group])
            found += _prompts(place, group) + _rows(place, group)
    return found + _shots(answered)


def _short(name: str) -> str:
    """A model's name; a checkpoint's with its run's."""
    folder = Path(name)
    return (
        f"{folder.parent.name}/{folder.name}" if folder.name.startswith("checkpoint-") else model_name(name)
    )


def _questions(answered: Iterable[Answered]) -> dict[tuple[str, int], list[Answered]]:
    groups: dict[tuple[str, int], list[Answered]] = {}
    for one in answered:
        groups.setdefault((one.record["task"], one.record["num_fewshot"]), []).append(one)
    return dict(sorted(groups.items(), key=str))


def _compare(first: Answered, second: Answered) -> Iterator[tuple[Json, Paired]]:
    """Each compared metric: its line, as far as it does not depend on the others."""
    differs = [name for name, read in _FIELDS.items() if read(first) != read(second)]
    if first.prompts != second.prompts:
        differs.append("the prompts")
    for name in (name for name in first.verdicts if name in second.verdicts):
        one, other = first.verdicts[name], second.verdicts[name]
        if len(one) != len(first.docs or ()) or len(other) != len(one):
            continue  # a verdict is unknown on some row
        paired = compare(one, other)
        line = {
            "task": first.record["task"],
            "num_fewshot": first.record["num_fewshot"],
            "metric": name,
            "first": label(first.model),
            "second": label(second.model),
            **_tested(paired, pooled=any(isinstance(verdict, list) for verdict in one)),
            "p_holm": None,
            "differs": differs,
            "results_files": [first.record["results_file"], second.record["results_file"]],
        }
        yield line, paired


def _tested(paired: Paired, *, pooled: bool) -> Json:
    """Values of whole rows are tested; verdicts on instructions, pooled, have an interval over prompts."""
    found = {"n": paired.n, "difference": paired.difference, "interval": paired.interval}
    tested = (paired.only_first, paired.only_second, paired.p)
    names = ("only_first", "only_second", "p")
    return found | dict(zip(names, [None] * 3 if pooled else tested, strict=True)) | {"detectable": None}


def _several_models(group: Sequence[Answered]) -> bool:
    return len({id(one.model) for one in group}) > 1


def _repeats(place: str, group: Sequence[Answered]) -> list[str]:
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


def _prompts(place: str, group: Sequence[Answered]) -> list[str]:
    """Unequal prompts where rows and template are equal: another renderer, or other demonstrations."""
    alike: dict[tuple[Any, ...], list[Answered]] = {}
    for one in group:
        if one.docs is not None:
            alike.setdefault((*one.docs, one.record["chat_template_sha"]), []).append(one)
    return [
        warning
        for same in alike.values()
        for warning in difference(place, "the prompt", [(label(one.model), one.prompts) for one in same])
    ]


def _rows(place: str, group: Sequence[Answered]) -> list[str]:
    unlogged = [label(one.model) for one in group if one.docs is None]
    found = difference(
        place,
        "the set of rows",
        [(label(one.model), _span(one.record)) for one in group if one.docs is not None],
    )
    if unlogged:
        names = ", ".join(unlogged)
        found.append(f"{place}: no rows were logged for {names}, so nothing is paired. Use --log_samples.")
    return found


def _span(record: Json) -> str:
    rows = record["rows"]
    return f"{record['n']} rows from {rows['first']} to {rows['last']} ({rows['fingerprint']})"


def _shots(answered: Sequence[Answered]) -> list[str]:
    """Tasks that models were asked with other numbers of demonstrations: those have no pair."""
    tasks: dict[str, dict[str, set[int]]] = {}
    for one in answered:
        shots = tasks.setdefault(one.record["task"], {}).setdefault(label(one.model), set())
        shots.add(one.record["num_fewshot"])
    return [
        warning
        for task, models in tasks.items()
        for warning in difference(
            task, "num_fewshot", [(who, ", ".join(map(str, sorted(k)))) for who, k in models.items()]
        )
    ]
