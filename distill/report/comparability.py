"""Which scores may stand side by side: everything but what is compared has to be equal."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from distill.report.entries import WITH_PROMPT, Entry, doubts, is_bare, title_of, view_name
from distill.report.labels import model_name, subject_name

SEED = "the seed"
_FIELDS: dict[str, Callable[[Entry], Any]] = {
    "the base model": lambda entry: entry["model"]["base_fingerprint"],
    "the backend": lambda entry: entry["request"]["backend"],
    "dtype": lambda entry: entry["model"]["dtype"],
    "max_new_tokens": lambda entry: entry["generation"].get("max_gen_toks"),
    "the generation settings": lambda entry: {
        name: value for name, value in entry["generation"].items() if name != "max_gen_toks"
    },
    "enable_thinking": lambda entry: entry["request"]["enable_thinking"],
    SEED: lambda entry: entry["request"]["seed"],
    "the number of rows": lambda entry: entry["data"]["rows"],
    "the data fingerprint": lambda entry: entry["data"]["fingerprint"],
    "the chat template": lambda entry: entry["prompts"]["chat_template"],
    "lm_eval's version": lambda entry: entry["versions"]["lm_eval"],
    "icl-distill's version": lambda entry: entry["versions"]["icl_distill"],
    "transformers' version": lambda entry: entry["versions"]["transformers"],
}


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
        # Equal data with unequal prompts: another renderer or other demonstrations.
        if len({entry["data"]["fingerprint"] for _, entry in alike}) == 1:
            prompts = [(who, entry["prompts"]["fingerprint"]) for who, entry in alike]
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
    """A warning if not all have the same value.

    Args:
        place: Which scores these are.
        name: What should be equal.
        values: Who has which value.
    """
    by_value: dict[str, list[str]] = {}
    for who, value in values:
        by_value.setdefault(str(value), []).append(who)
    if len(by_value) < 2:
        return []
    parts = "; ".join(f"{value} for {', '.join(names)}" for value, names in by_value.items())
    return [f"{place}: {name} differs, so these scores do not compare: {parts}."]
