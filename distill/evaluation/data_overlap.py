"""`icl-distill data overlap`: which training rows and demonstrations give an evaluation away."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from lm_eval_tasks.benchmarks import REWARD_SETS
from lm_eval_tasks.episodes import Episode, Source
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import DEFAULT_SEED, DemonstrationPicker, without_overlap
from lm_eval_tasks.reading import resolve_source
from lm_eval_tasks.sources import TaskSpec
from lm_eval_tasks.sources.benchmark import BenchmarkSource
from lm_eval_tasks.sources.overlap import KINDS, Passage, Settings, find_duplicates, find_overlap

OVERLAP_FILE = "overlap.json"
SCHEMA = "icl-distill/overlap"
SCHEMA_VERSION = 1

TRAINING = "training rows"
EVALUATED = "evaluated rows"
SHOWN = "demonstrations shown"

_SHOWN_CHARACTERS = 70


def data_overlap(
    tasks: Sequence[str | TaskSpec], data: str | None, settings: Settings, *, reward_sets: Sequence[str] = ()
) -> dict[str, Any]:
    """Compare training rows, demonstrations and evaluated rows of each task.

    Args:
        tasks: Their names, or what else is to be known of them.
        data: Of the reward sets, and of tasks that are named only: `hub`, `sample` or a folder; None:
            `ICL_DATA_DIR`, else `hub`.
        settings: What counts as overlap.
        reward_sets: Names of `REWARD_SETS`, whose training rows are compared with each task's evaluated rows
            as well.

    Returns:
        A JSON value: `schema`, `schema_version`, `source`, `settings`, and under `benchmarks` by name:
        `comparisons`, each with `learned` and `tested`, what the two sides are, and the fields of `Overlap`;
        `repeats`, pairs of ids of training rows that are the same; and `notes`, a list of sentences.

    Raises:
        UserError: the evaluated rows cannot be loaded, or a row is malformed.
    """
    found: dict[str, Any] = {}
    for task in tasks:
        spec = TaskSpec(task, data) if isinstance(task, str) else task
        source = spec.open()
        tested = source.evaluation()
        own = _of_benchmark(source) if isinstance(source, BenchmarkSource) else _of_source(source, spec)
        found[source.name] = _compared(own, tested, settings)
        for name in reward_sets:
            rows = [Passage(where, question) for where, question in REWARD_SETS[name].questions(data)]
            learned = f"{REWARD_SETS[name].title} {TRAINING}"
            one = _compare(learned, rows, EVALUATED, _passages(tested), settings)
            found[source.name]["comparisons"].append(one)
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


class _Rows(NamedTuple):
    """What is learnt and shown of a task.

    Attributes:
        name: What `pool` is.
        pool: Rows that are learnt, or, where there are none, that demonstrations come from.
        learnt: Whether they are learnt.
        shown: The demonstrations.
        notes: Sentences about them.
    """

    name: str
    pool: list[Episode]
    learnt: bool
    shown: list[Episode]
    notes: list[str]


def _of_benchmark(source: BenchmarkSource) -> _Rows:
    """All rows that its data hold, with those that training leaves out since they are evaluated."""
    notes = []
    try:
        pool, name, learnt = source.all_train, TRAINING, True
    except UserError as error:
        notes.append(f"there are no training rows and no demonstrations to compare: {error}")
        return _Rows(TRAINING, [], False, [], notes)
    kept, dropped = without_overlap(pool, source.evaluation())
    if dropped:
        notes.append(f"{dropped} of the {len(pool)} {name} are evaluated: they are never learned or shown")
    shown = DemonstrationPicker(kept, source.num_fewshot, "fixed", DEFAULT_SEED).fixed
    return _Rows(name, pool, learnt, shown, notes)


def _of_source(source: Source, spec: TaskSpec) -> _Rows:
    notes = []
    context = spec.context(source)
    shown = source.picker(context.num_fewshot, None, context.demonstration_seed).fixed
    try:
        pool, name, learnt = source.train(), TRAINING, True
    except UserError as error:
        pool, name, learnt = shown, "rows of the demonstration pool", False
        notes.append(f"there are no training rows to compare: {error}")
    if learnt and (dropped := source.left_out["evaluated"]):
        notes.append(f"{dropped} further {name} are evaluated: they are never learned or shown")
    return _Rows(name, pool, learnt, shown, notes)


def _compared(own: _Rows, tested: list[Episode], settings: Settings) -> dict[str, Any]:
    sides = [(own.name, own.pool, EVALUATED, tested), (SHOWN, own.shown, EVALUATED, tested)]
    sides = [side for side in sides if side[1]]
    if own.learnt:
        sides.append((own.name, without_overlap(own.pool, own.shown)[0], SHOWN, own.shown))
    return {
        "comparisons": [
            _compare(learned, _passages(rows), against, _passages(others), settings)
            for learned, rows, against, others in sides
        ],
        "repeats": find_duplicates(_passages(own.pool)) if own.learnt else [],
        "notes": own.notes,
    }


def _compare(
    learned: str, rows: Sequence[Passage], tested: str, others: Sequence[Passage], settings: Settings
) -> dict[str, Any]:
    return {"learned": learned, "tested": tested} | asdict(find_overlap(rows, others, settings))


def _passages(examples: Iterable[Episode]) -> list[Passage]:
    """What each row asks, without the words that the prompt's format adds to every row."""
    return [Passage(row.id, _asked(row)) for row in examples]


def _asked(row: Episode) -> str:
    choices = [str(choice) for choice in row.reference.get("choices", ())]
    # A task of lm-eval names its choices within the question, a line each.
    told = set(choices) <= set(row.question.splitlines())
    return "\n".join([row.question, *([] if told else choices)])


def _pair_line(benchmark: str, comparison: dict[str, Any], pair: dict[str, Any]) -> str:
    shared = pair["shared"]
    if len(shared) > _SHOWN_CHARACTERS:
        shared = shared[:_SHOWN_CHARACTERS].rsplit(" ", 1)[0] + " ..."
    rows = f"{comparison['learned']} {pair['training_id']}, {comparison['tested']} {pair['evaluated_id']}"
    return f"{benchmark}: {pair['kind']} ({pair['coverage']:.0%}): {rows}: {shared}"
