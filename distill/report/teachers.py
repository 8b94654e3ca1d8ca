"""Which measured gap is that of a student's own teacher.

"Gap closed" divides by what the prompt gives. That has to be the prompt that the student's teacher read in
training; with another, the share says nothing, and that is an error of the report, not a warning.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from distill.evaluation.kinds import DISTILLED
from distill.evaluation.result import Result
from distill.model.fingerprints import digest
from distill.report.entries import Entry, base_entries, is_bare, kind_of, title_of
from distill.report.labels import subject_name
from lm_eval_tasks.prompting.demonstrations import CONTROLS

_SPEED_ALONE = re.compile(
    r"gpu_memory_utilization|swap_space|max_num_\w+|enforce_eager|max_model_len|max_length|device|parallelize"
)
_UNKNOWN = object()


class Teachers:
    """What the teachers of trained models read, by the record of their training.

    Attributes:
        errors: One sentence for each student whose teacher's gap was asked for and is not there.
    """

    def __init__(self, found: Iterable[Result]) -> None:
        """Of everything that was collected."""
        self._data = {id(one.entry): one.provenance.get("data", {}) for one in found}
        self._told: dict[str, None] = {}

    @property
    def errors(self) -> list[str]:
        """Names both values and the remedy."""
        return list(self._told)

    def prompted(self, student: Entry, group: Iterable[Entry]) -> Entry | None:
        """The base model's entry with the prompt that the student's teacher read.

        Args:
            student: A checkpoint's entry.
            group: Entries among which those of the base model are.

        Returns:
            Of several, the one with the most demonstrations, which is that of a student without a teacher as
            well. None where there is none, or where all are another prompt's; then `errors` says so.
        """
        measured = [entry for entry in reversed(base_entries(group)) if not is_bare(entry)]
        own = self._data.get(id(student), {}) if kind_of(student) == DISTILLED else {}
        unlike = [(entry, list(_differences(own, student, entry))) for entry in measured]
        for entry, differing in unlike:
            if not differing:
                return entry
        if unlike:
            self._tell(student, min(unlike, key=lambda one: len(one[1])))
        return None

    def _tell(self, student: Entry, nearest: tuple[Entry, Sequence[tuple[str, Any, Any]]]) -> None:
        _, differing = nearest
        parts = "; ".join(
            f"{name} is {_shown(here)} for the teacher and {_shown(there)} in the measured gap"
            for name, here, there in differing
        )
        told = (
            f"{title_of(student)}, {subject_name(student)}: the gap that was measured is not that of its "
            f"teacher: {parts}. No gap closed is reported. Measure the gap that belongs to it (`icl-distill "
            "run` does; `icl-distill gap` takes the same options as the training), or train with what was "
            "measured."
        )
        self._told[told] = None


def _differences(
    taught: Mapping[str, Any], student: Entry, measured: Entry
) -> Iterator[tuple[str, Any, Any]]:
    """Name, value of the training and value of the measurement of what both say and differs."""
    shown = measured["demonstrations"]
    thinks = measured["request"].get("enable_thinking", _UNKNOWN)
    context = taught.get("context") or {}
    pairs = [
        ("num_fewshot", taught.get("num_fewshot", _UNKNOWN), measured["num_fewshot"]),
        ("enable_thinking", taught.get("enable_thinking", _UNKNOWN), thinks),
        ("model_args", _model_args(student), _model_args(measured)),
        *_demonstrations(taught, shown),
    ]
    # Earlier versions did not note what else a prompt holds; lm-eval knows one text of all that goes first.
    if context and "view" in measured and "lm_eval" not in measured:
        pairs += [
            ("system_instruction", _digest(context.get("system_instruction")), shown.get("system")),
            ("document", _documents(context), shown.get("documents")),
            ("privileged", context.get("privileged"), (shown.get("privileged") or [None])[0]),
        ]
    template = measured["prompts"].get("chat_template")
    pairs.append(("a chat template", taught.get("chat_template", _UNKNOWN), template is not None))
    for name, here, there in pairs:
        if _UNKNOWN not in (here, there) and here != there:
            yield name, here, there


def _demonstrations(taught: Mapping[str, Any], shown: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Which ones; a causal control is compared with what the real ones give, so nothing is."""
    mode = taught.get("demonstrations", _UNKNOWN)
    other = taught.get("demonstrations_from") not in (None, taught.get("benchmark"))
    if mode in CONTROLS or other or not shown.get("num_fewshot") or not taught.get("num_fewshot"):
        return []
    sets = taught.get("demonstration_ids")
    if sets and shown.get("ids") and len(sets[0]) == len(shown["ids"]):
        return [("the demonstrations", sets[0], shown["ids"])]
    pairs = {"demonstrations": mode, "demonstration_seed": taught.get("demonstration_seed", _UNKNOWN)}
    there = {"demonstrations": shown.get("mode", _UNKNOWN), "demonstration_seed": shown.get("seed", _UNKNOWN)}
    return [(name, pairs[name], there[name]) for name in pairs]


def _model_args(entry: Entry) -> Any:
    given = entry["request"].get("model_args", _UNKNOWN)
    if given is _UNKNOWN:
        return given
    return {name: value for name, value in given.items() if not _SPEED_ALONE.fullmatch(name)}


def _digest(text: str | None) -> str | None:
    return None if text is None else digest(text)


def _documents(context: Mapping[str, Any]) -> dict[str, str] | None:
    return {one["name"]: digest(one["text"]) for one in context.get("documents", ())} or None


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value!r:.80}"
