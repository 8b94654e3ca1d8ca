"""Which scores may stand side by side: everything but what is compared has to be equal."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from distill.evaluation.summary import TRUNCATED_LIMIT, warnings_of
from distill.report.labels import BENCHMARK_NAMES, Entry, model_name, subject_name

SEED = "the seed"
_FIELDS: dict[str, Callable[[Entry], Any]] = {
    "the base model": lambda entry: entry["model"]["base_fingerprint"],
    "the backend": lambda entry: entry["request"]["backend"],
    "dtype": lambda entry: entry["model"]["dtype"],
    "max_new_tokens": lambda entry: entry["generation"]["max_gen_toks"],
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
        for (model, benchmark), group in grouped(entries).items()
        for warning in differences(
            f"{BENCHMARK_NAMES[benchmark]} ({model_name(model)})",
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
    for k in sorted({entry["num_fewshot"] for _, entry in group}):
        same_k = [(who, entry) for who, entry in group if entry["num_fewshot"] == k]
        # Equal data with unequal prompts: another renderer or other demonstrations.
        if len({entry["data"]["fingerprint"] for _, entry in same_k}) == 1:
            prompts = [(who, entry["prompts"]["fingerprint"]) for who, entry in same_k]
            found += difference(place, f"the {k}-shot prompt", prompts)
    return found


def own_warnings(entries: Iterable[Entry]) -> list[str]:
    """What makes single entries doubtful."""
    return [
        f"{BENCHMARK_NAMES[entry['benchmark']]}, {subject_name(entry)}: {warning}."
        for entry in entries
        for warning in warnings_of(entry)
    ]


def truncation_differs(one: Entry, other: Entry) -> bool:
    """Whether truncated rates are so far apart that the difference of scores says little."""
    rates = [entry["diagnostics"]["truncated"]["rate"] for entry in (one, other)]
    return abs(rates[0] - rates[1]) > TRUNCATED_LIMIT


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
