"""What a benchmark is: all that the rest of the house asks of one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lm_eval_tasks.episodes import Episode, prompt_text
from lm_eval_tasks.reading import Split
from lm_eval_tasks.scorefile.judging import Judge
from lm_eval_tasks.scoring.metrics import Metric, Metrics
from lm_eval_tasks.scoring.response import Circumstances

Row = Mapping[str, Any]
Role = Literal["train", "evaluation"]


@dataclass(frozen=True, slots=True)
class Score:
    """A number that a benchmark reports.

    Attributes:
        name: As the harness's results have it.
        unit: What it counts: `row`, one verdict a row; `instruction`, a list of verdicts a row, pooled.
        column: Over a table's column; empty: it is in no table.
        heading: Over a table of its own.
    """

    name: str
    unit: Literal["row", "instruction"] = "row"
    column: str = ""
    heading: str = ""


ANSWER_SCORES = (
    Score("strict_acc", column="Accuracy", heading="Accuracy"),
    Score("flexible_acc", column="Flexible Acc.", heading="Accuracy, any answer format"),
)
"""Where a question has one right answer."""


def document(episode: Episode) -> dict[str, Any]:
    """A row as the harness logs it."""
    return {
        "benchmark": episode.source,
        "id": episode.id,
        "question": episode.question,
        "prompt": prompt_text(episode.prompt),
        "target": "",
        **episode.reference,
    }


def _always(row: Row) -> bool:
    return True


def _itself(row: Row) -> Sequence[Row]:
    return (row,)


def _no_parts(doc: Mapping[str, Any], metrics: Metrics) -> list[tuple[str, bool]]:
    return []


def _nothing(role: Role, rows: Sequence[Row], episodes: Sequence[Episode]) -> list[str]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark: where its rows are, what is asked, how an answer is judged, and what it is called.

    Its harness tasks are the YAML files beside its definition: `<name>_icl_0shot` and `<name>_icl_fewshot`.

    Attributes:
        name: The name of its folder.
        title: In tables and figures.
        dataset_title: Of the evaluated data set, in model cards.
        evaluation: The split that is evaluated.
        train: The split that trains and lends demonstrations.
        num_fewshot: Demonstrations that its few-shot task shows by default.
        turns: `turns(row)`: the rows that a row of the data stands for, one for each turn of a dialogue; they
            are what `usable` and `parse` get. It raises nothing.
        parse: `parse(row, id, where)`, an episode; raises `UserError` naming the place and the field.
        score: `score(doc, response, circumstances)`: one answer's value of every metric.
        metrics: Every metric, by its name in the harness's results.
        parts: `parts(doc, values)`: one answer's verdicts by kind of what is judged, such as a type of
            instruction, out of the values of its metrics.
        scores: Those that are reported, the primary one first, a second one that tables show among them.
        make_judge: `make_judge(data)`: what `icl-distill score` judges with; `data` is its option `--data`.
        unrelated: The benchmark whose demonstrations are irrelevant here: short ones, so that as many fit.
        usable: Whether a raw row of the training split is trained on.
        document: An episode as the harness logs it, and as `score` reads it.
        extract: `extract(row)`: the answer that the scorer reads in a row of an evaluation's log; None: it
            extracts none.
        logged: Further fields of a document that an evaluation's log keeps.
        describe: `describe(role, rows, episodes)`: further lines for `icl-distill data check`.
        make_training: `make_training(prompts, responses, output)`: training rows out of any model's
            responses, for `icl-distill data make-<name>`; None: there is no such thing.
        retention: Its task that tells by default what a student forgot; None: it tells nothing.
    """

    name: str
    title: str
    dataset_title: str
    evaluation: Split
    train: Split
    num_fewshot: int
    parse: Callable[[Row, str, str], Episode]
    score: Callable[[Row, str | None, Circumstances], Metrics]
    metrics: Mapping[str, Metric]
    scores: tuple[Score, ...]
    make_judge: Callable[[Path | None], Judge]
    unrelated: str
    turns: Callable[[Row], Sequence[Row]] = _itself
    parts: Callable[[Mapping[str, Any], Metrics], list[tuple[str, bool]]] = _no_parts
    usable: Callable[[Row], bool] = _always
    document: Callable[[Episode], dict[str, Any]] = document
    extract: Callable[[Row], str | None] | None = None
    logged: tuple[str, ...] = ()
    describe: Callable[[Role, Sequence[Row], Sequence[Episode]], list[str]] = _nothing
    make_training: Callable[[Path, Path, Path], object] | None = None
    retention: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSet:
    """Rows that answers are rewarded by; they are trained on and have no tasks in the harness.

    Attributes:
        name: The name of its folder.
        title: In tables.
        questions: `questions(data)`: place and question of every training row.
        make_judge: See `Benchmark`; it takes a `revision` as well, where there are several.
        revisions: States of the original that its functions can follow, the default one first.
    """

    name: str
    title: str
    questions: Callable[[str | None], list[tuple[str, str]]]
    make_judge: Callable[..., Judge]
    revisions: tuple[str, ...] = ()
