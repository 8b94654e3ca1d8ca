"""`icl-distill data overlap`: which training rows and demonstrations give an evaluation away."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from lm_eval_tasks.datasets import BENCHMARKS, load_evaluation, load_pool, load_train, resolve_source
from lm_eval_tasks.demonstrations import DEFAULT_SEED, DemonstrationPicker, without_overlap
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.overlap import KINDS, Passage, Settings, find_duplicates, find_overlap
from lm_eval_tasks.rlvr_data import load_rlvr
from lm_eval_tasks.schemas import Example

OVERLAP_FILE = "overlap.json"
SCHEMA = "icl-distill/overlap"
SCHEMA_VERSION = 1

TRAINING = "training rows"
EVALUATED = "evaluated rows"
SHOWN = "demonstrations shown"
RLVR = "RLVR-IFeval training rows"

_SHOWN_CHARACTERS = 70


def data_overlap(
    benchmarks: Sequence[str], data: str | None, settings: Settings, *, rlvr: bool = False
) -> dict[str, Any]:
    """Compare training rows, demonstrations and evaluated rows of each benchmark.

    Args:
        benchmarks: Names of benchmarks.
        data: `hub`, `sample` or a folder; None: `ICL_DATA_DIR`, else `hub`.
        settings: What counts as overlap.
        rlvr: Compare the training rows of RLVR-IFeval with each benchmark's evaluated rows as well.

    Returns:
        A JSON value: `schema`, `schema_version`, `source`, `settings`, and under `benchmarks` by name:
        `comparisons`, each with `learned` and `tested`, what the two sides are, and the fields of `Overlap`;
        `repeats`, pairs of ids of training rows that are the same; and `notes`, a list of sentences.

    Raises:
        UserError: the evaluated rows cannot be loaded, or a row is malformed.
    """
    found = {benchmark: _of_benchmark(benchmark, data, settings) for benchmark in benchmarks}
    if rlvr:
        rows = [Passage(row.where, row.question) for row in load_rlvr(data).train]
        for benchmark in benchmarks:
            tested = _passages(load_evaluation(benchmark, data))
            found[benchmark]["comparisons"].append(_compare(RLVR, rows, EVALUATED, tested, settings))
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "source": resolve_source(data),
        "settings": asdict(settings),
        "benchmarks": found,
    }


def overlap_table(found: dict[str, Any], *, worst: int = 3) -> str:
    """The comparisons as a Markdown table, and the worst pairs of each below it.

    Args:
        found: What `data_overlap` returned.
        worst: Pairs shown of each comparison.
    """
    threshold = found["settings"]["threshold"]
    lines = [
        f"| Dataset | Learned or shown | Tested | Tested rows: exact | near (>= {threshold:.0%} of words) "
        "| partial | Set phrases passed over |",
        "|---|---|---|---|---|---|---|",
    ]
    below = []
    for benchmark, of_benchmark in found["benchmarks"].items():
        for one in of_benchmark["comparisons"]:
            cells = [benchmark, f"{one['training_rows']} {one['learned']}"]
            cells += [f"{one['evaluated_rows']} {one['tested']}"]
            cells += [str(one["evaluated"][kind]) for kind in KINDS] + [str(one["set_phrases"])]
            lines.append(f"| {' | '.join(cells)} |")
            below += [_pair_line(benchmark, one, pair) for pair in one["pairs"][:worst]]
        if of_benchmark["repeats"]:
            below.append(f"{benchmark}: {len(of_benchmark['repeats'])} training rows repeat another one")
        below += [f"{benchmark}: {note}" for note in of_benchmark["notes"]]
    return "\n".join([*lines, *([""] if below else []), *below])


def _of_benchmark(benchmark: str, data: str | None, settings: Settings) -> dict[str, Any]:
    tested = load_evaluation(benchmark, data)
    notes = []
    try:
        training = load_train(benchmark, data)
        pool, name = training, TRAINING
    except UserError as error:
        training = []
        pool, source = load_pool(benchmark, data)
        name = f"rows of the demonstration pool ({source})"
        notes.append(f"there are no training rows to compare: {error}")
    kept, dropped = without_overlap(pool, tested)
    if dropped:
        notes.append(f"{dropped} of the {len(pool)} {name} are evaluated: they are never learned or shown")
    shown = DemonstrationPicker(kept, BENCHMARKS[benchmark].num_fewshot, "fixed", DEFAULT_SEED).fixed
    sides = [(name, pool, EVALUATED, tested), (SHOWN, shown, EVALUATED, tested)]
    if training:
        sides.append((name, without_overlap(training, shown)[0], SHOWN, shown))
    return {
        "comparisons": [
            _compare(learned, _passages(rows), against, _passages(others), settings)
            for learned, rows, against, others in sides
        ],
        "repeats": find_duplicates(_passages(training)),
        "notes": notes,
    }


def _compare(
    learned: str, rows: Sequence[Passage], tested: str, others: Sequence[Passage], settings: Settings
) -> dict[str, Any]:
    return {"learned": learned, "tested": tested} | asdict(find_overlap(rows, others, settings))


def _passages(examples: Iterable[Example]) -> list[Passage]:
    """What each row asks, without the words that the prompt's format adds to every row."""
    return [Passage(row.id, "\n".join([row.question, *row.choices])) for row in examples]


def _pair_line(benchmark: str, comparison: dict[str, Any], pair: dict[str, Any]) -> str:
    shared = pair["shared"]
    if len(shared) > _SHOWN_CHARACTERS:
        shared = shared[:_SHOWN_CHARACTERS].rsplit(" ", 1)[0] + " ..."
    rows = f"{comparison['learned']} {pair['training_id']}, {comparison['tested']} {pair['evaluated_id']}"
    return f"{benchmark}: {pair['kind']} ({pair['coverage']:.0%}): {rows}: {shared}"
