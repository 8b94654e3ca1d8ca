"""Which scores may stand side by side: everything but what is compared has to be equal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from distill.report.entries import WITH_PROMPT, Entry, doubts, is_bare, title_of, view_name
from distill.report.labels import model_name, subject_name

SEED, BASE_MODEL = "the seed", "the base model"
UNKNOWN = object()
"""What a file does not tell, such as the seed in lm-eval's; it is no difference."""


def _at(*path: str) -> Callable[[Entry], Any]:
    """The value at a place of an entry."""

    def read(entry: Entry) -> Any:
        found: Any = entry
        for name in path:
            found = found.get(name, UNKNOWN) if isinstance(found, Mapping) else UNKNOWN
        return found

    return read


def _data(entry: Entry) -> Any:
    """Of the whole split where that is noted: it does not depend on how many rows are asked."""
    return entry["data"].get("split_fingerprint", entry["data"].get("fingerprint", UNKNOWN))


def _system(entry: Entry) -> Any:
    """With documents it is only a part of what lm-eval is given as the system instruction."""
    shown = entry["demonstrations"]
    return UNKNOWN if shown.get("documents") else shown.get("system")


_FIELDS: dict[str, Callable[[Entry], Any]] = {
    BASE_MODEL: _at("model", "base_fingerprint"),
    "the backend": _at("request", "backend"),
    "dtype": _at("model", "dtype"),
    "max_new_tokens": lambda entry: entry["generation"].get("max_gen_toks"),
    "the generation settings": lambda entry: {
        name: value for name, value in entry["generation"].items() if name != "max_gen_toks"
    },
    "enable_thinking": _at("request", "enable_thinking"),
    SEED: _at("request", "seed"),
    "the number of rows": _at("data", "rows"),
    "the data fingerprint": _data,
    "the chat template": _at("prompts", "chat_template"),
    "the task's version": _at("lm_eval", "version"),
    "lm_eval's version": _at("versions", "lm_eval"),
    "icl-distill's version": _at("versions", "icl_distill"),
    "transformers' version": _at("versions", "transformers"),
}
_OF_ONE_VIEW: dict[str, Callable[[Entry], Any]] = {
    "the choice of demonstrations": _at("demonstrations", "mode"),
    "the demonstrations' seed": _at("demonstrations", "seed"),
    "the pool of demonstrations": _at("demonstrations", "pool_fingerprint"),
    "the system instruction": _system,
}
"""What the views of a task differ in."""
PROMPTS = "the prompts"


def differing(first: Entry, second: Entry, *, but: Sequence[str] = ()) -> list[str]:
    """The names of what differs between two entries of one view that should differ in their weights alone."""
    read = _FIELDS | _OF_ONE_VIEW | {PROMPTS: _at("prompts", "fingerprint")}
    pairs = {name: (find(first), find(second)) for name, find in read.items() if name not in but}
    return [name for name, pair in pairs.items() if UNKNOWN not in pair and pair[0] != pair[1]]


def comparison_warnings(entries: Sequence[Entry]) -> list[str]:
    """What differs between entries that a table puts side by side: those of one model and benchmark."""
    return [
        warning
        for (model, _), group in grouped(entries).items()
        for warning in differences(
            f"{title_of(group[0])} ({model_name(model)})",
            [(subject_name(entry), entry) for entry in group],
        )
    ]


def differences(place: str, group: Sequence[tuple[str, Entry]], *, but: Sequence[str] = ()) -> list[str]:
    """What differs between entries that should differ in their weights alone.

    Args:
        place: Which scores these are.
        group: Entries of one benchmark, each with its name.
        but: Fields that may differ.
    """
    found = []
    for name, read in _FIELDS.items():
        if name not in but:
            found += difference(place, name, [(who, read(entry)) for who, entry in group])
    views = {(not is_bare(entry), entry["num_fewshot"]): view_name(entry) for _, entry in group}
    for view in (views[key] for key in sorted(views)):
        alike = [(who, entry) for who, entry in group if view_name(entry) == view]
        for name, read in _OF_ONE_VIEW.items():
            found += difference(place, name, [(who, read(entry)) for who, entry in alike])
        # Equal data with unequal prompts: another renderer or other demonstrations.
        if PROMPTS not in but and len({(_data(entry), entry["data"]["rows"]) for _, entry in alike}) == 1:
            prompts = [(who, _at("prompts", "fingerprint")(entry)) for who, entry in alike]
            which = f"the {view} prompt" if view != WITH_PROMPT else "the prompt in full"
            found += difference(place, which, prompts)
    return found


def own_warnings(entries: Iterable[Entry]) -> list[str]:
    """What makes single entries doubtful."""
    return [
        f"{title_of(entry)}, {subject_name(entry)}: {warning}."
        for entry in entries
        for warning in doubts(entry)
    ]


def grouped(entries: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """Entries by base model and benchmark."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry["model"]["name"], entry["benchmark"]), []).append(entry)
    return groups


def difference(place: str, name: str, values: Iterable[tuple[str, Any]]) -> list[str]:
    """A warning if not all that is known is the same.

    Args:
        place: Which scores these are.
        name: What should be equal.
        values: Who has which value.
    """
    by_value: dict[str, list[str]] = {}
    for who, value in values:
        if value is UNKNOWN:
            continue
        by_value.setdefault(str(value), []).append(who)
    if len(by_value) < 2:
        return []
    parts = "; ".join(f"{value} for {', '.join(names)}" for value, names in by_value.items())
    return [f"{place}: {name} differs, so these scores do not compare: {parts}."]
