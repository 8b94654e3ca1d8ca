"""What an entry of a results file says, of any task and of any age: every other part of the report asks here.

An entry is one measurement: a model, a task, and the *view* in which the task was asked. `bare`: nothing but
the question; `prompted`: with demonstrations, a system instruction or a document before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from distill.evaluation.kinds import SFT
from distill.evaluation.results import key_of, view_of
from distill.evaluation.summary import TRUNCATED_LIMIT, warnings_of
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.scoring.names import ON_COMPLETED

Entry = Mapping[str, Any]

BASELINE = "baseline"
TRAINED = "trained"


def task_title(name: str) -> str:
    """How a task is displayed whose results do not say so."""
    return BENCHMARKS[name].title if name in BENCHMARKS else name


def title_of(entry: Entry) -> str:
    """How the entry's task is displayed."""
    return " ".join(str(entry.get("title") or task_title(entry["benchmark"])).split())


def is_bare(entry: Entry) -> bool:
    """Whether the task was asked without demonstrations, system instruction or document."""
    return view_of(entry) == "bare"


def name_of(entry: Entry) -> tuple[Any, ...]:
    """What tells an entry from the others of its file."""
    return (*key_of(entry), is_bare(entry))


def shown_metrics(entry: Entry) -> list[str]:
    """The metrics that tables show, the primary first: a benchmark's with a column, else the first two."""
    known = BENCHMARKS.get(entry["benchmark"])
    named = [score.name for score in known.scores if score.column] if known else []
    return [name for name in named if name in entry["metrics"]] or list(entry["metrics"])[:2]


def primary(entry: Entry) -> Mapping[str, Any]:
    """The metric that tables show first."""
    found: Mapping[str, Any] = entry["metrics"][shown_metrics(entry)[0]]
    return found


def best_of(entries: Sequence[Entry]) -> Entry | None:
    """The one with the highest primary metric; of equals, the first."""
    return max(entries, key=lambda entry: primary(entry)["rate"] or 0.0, default=None)


def metric_column(entry: Entry, name: str) -> str:
    """A metric's name over a column."""
    return _metric_name(entry, name, "column")


def metric_heading(entry: Entry, name: str) -> str:
    """A metric's name over a table."""
    return _metric_name(entry, name, "heading")


def _metric_name(entry: Entry, name: str, place: str) -> str:
    known = BENCHMARKS.get(entry["benchmark"])
    score = next((score for score in known.scores if score.name == name), None) if known else None
    readable = " ".join(name.replace("_", " ").replace(",", ", ").split())
    return (getattr(score, place) if score else "") or readable[:1].upper() + readable[1:]


def kind_of(entry: Entry) -> str:
    """`sft` or `distilled`, of a trained model; `trained` where nothing says which.

    Results of earlier versions without a training folder: the condition `baseline` is SFT.
    """
    return str(entry.get("kind") or (SFT if entry["condition"] == BASELINE else TRAINED))


def conditions_of(entries: Iterable[Entry]) -> dict[str, str]:
    """Conditions and their kinds, as a report lists them."""
    return in_order((entry["condition"], kind_of(entry)) for entry in entries)


def in_order(conditions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Conditions and their kinds: the SFT baseline, further SFT, then the others as they come."""
    kinds: dict[str, str] = {}
    for name, kind in conditions:
        kinds.setdefault(name, kind)
    order = sorted(kinds, key=lambda name: (kinds[name] != SFT, name != BASELINE))
    return {name: kinds[name] for name in order}


def baseline_of(kinds: Mapping[str, str]) -> str | None:
    """The condition that the others are compared with: the first plain SFT."""
    return next((name for name, kind in kinds.items() if kind == SFT), None)


def base_entries(group: Iterable[Entry]) -> list[Entry]:
    """The base model's entries: bare, then by number of demonstrations."""
    own = (entry for entry in group if entry["step"] is None)
    return sorted(own, key=lambda entry: (not is_bare(entry), entry["num_fewshot"]))


def trained_entries(group: Iterable[Entry]) -> list[Entry]:
    """The checkpoints' entries, asked bare."""
    return [entry for entry in group if entry["step"] is not None and is_bare(entry)]


def trained_with_prompt(group: Iterable[Entry]) -> list[Entry]:
    """The checkpoints' entries, asked with the prompt that training was to make needless."""
    return [entry for entry in group if entry["step"] is not None and not is_bare(entry)]


def bare_and_prompted(group: Sequence[Entry]) -> tuple[Entry | None, Entry | None]:
    """The base model's bare view, and its prompted one; of several, that with the most demonstrations."""
    base = base_entries(group)
    bare = base[0] if base and is_bare(base[0]) else None
    return bare, base[-1] if base and not is_bare(base[-1]) else None


def last_common(group: Sequence[Entry], conditions: Iterable[str]) -> dict[str, Entry]:
    """Each condition at the last step that all those evaluated share; without one, each at its own last."""
    steps: dict[str, dict[int, Entry]] = {}
    for entry in trained_entries(group):
        steps.setdefault(entry["condition"], {})[entry["step"]] = entry
    present = [condition for condition in conditions if condition in steps]
    common = set.intersection(*(set(steps[name]) for name in present)) if present else set()
    return {name: steps[name][max(common or steps[name])] for name in present}


def diagnostic(entry: Entry, name: str) -> Any:
    """A diagnostic; None where the task has none, as where options are compared by their likelihood."""
    return entry["diagnostics"].get(name)


def doubts(entry: Entry) -> list[str]:
    """What makes the entry's score doubtful by itself."""
    if not diagnostic(entry, "truncated"):
        return []
    known = {name: value for name, value in entry["diagnostics"].items() if value is not None}
    known.setdefault(ON_COMPLETED, {"rate": None})
    generation = {"max_gen_toks": "so many", **entry["generation"]}
    return warnings_of({**entry, "diagnostics": known, "generation": generation})


def truncation_differs(one: Entry, other: Entry) -> bool:
    """Whether truncated rates are so far apart that the difference of scores says little."""
    found = [diagnostic(entry, "truncated") for entry in (one, other)]
    rates = [share["rate"] for share in found if share]
    return len(rates) == 2 and abs(rates[0] - rates[1]) > TRUNCATED_LIMIT
