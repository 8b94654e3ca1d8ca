"""A source's view as a task object of lm-evaluation-harness, and which of its numbers are reported."""

import logging
from dataclasses import dataclass
from typing import Any

from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.benchmarks.definition import Score
from lm_eval_tasks.episodes import Episode, Source
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.source import HarnessSource
from lm_eval_tasks.harness.task import IclTask
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.scoring.named import Judgement, NamedMetric
from lm_eval_tasks.scoring.response import NOTHING_SPECIAL, Circumstances
from lm_eval_tasks.sources.benchmark import BenchmarkSource, ChoiceBenchmark
from lm_eval_tasks.sources.lm_eval_single import LmEvalTask
from lm_eval_tasks.sources.other_inputs import OtherInputs
from lm_eval_tasks.sources.rows_source import JsonLinesSource
from lm_eval_tasks.sources.spec import TaskSpec
from lm_eval_tasks.sources.task_folder import rows_config

logger = logging.getLogger(__name__)

ROWS_TOKENS = 256
"""Longest answer to rows of one's own, where nobody says how long."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A number that is reported.

    Attributes:
        name: In results; of a task with several answer filters `metric,filter`.
        metric: The key of a logged sample.
        filter: The answer filter whose samples hold it; None: there is one.
        unit: `row`: right or wrong; `instruction`: a list of verdicts; `score`: a number a row; `total`: only
            the harness's own aggregate is a number.
    """

    name: str
    metric: str
    filter: str | None = None
    unit: str = "row"


@dataclass(frozen=True, slots=True)
class HarnessTask:
    """What `simple_evaluate` is given.

    Attributes:
        name: Of the task in its results.
        task: The object.
        manager: The task manager, without which the harness reads thousands of files.
        scored: The numbers, the primary one first.
        logged: Fields of a sample's document that are kept beside its question and target.
    """

    name: str
    task: ConfigurableTask
    manager: TaskManager
    scored: tuple[Scored, ...]
    logged: tuple[str, ...] = ()


class SourceTask(IclTask):
    """An opened source as a task, for rows that no YAML file names."""

    def __init__(self, source: HarnessSource, context: Context, config: dict[str, Any]) -> None:
        """Wrap `source`; `context`: what the view `teacher` adds to a row and the harness does not pass."""
        self._given, self._given_context = source, context
        super().__init__(config)

    def open(self, dataset_kwargs: Any) -> HarnessSource:
        """The source."""
        return self._given

    def read_context(self, dataset_kwargs: Any) -> Context:
        """The context."""
        return self._given_context


def harness_task(
    member: Source, spec: TaskSpec, context: Context, *, prompted: bool, enable_thinking: bool = False
) -> HarnessTask:
    """One view of one task.

    Args:
        member: A single task; see `Source.members`.
        spec: How it was named.
        context: What the prompted view shows; its system text, documents included, is the caller's to pass
            on as `simple_evaluate(system_instruction=...)`.
        prompted: The prompted view; else the bare one.
        enable_thinking: Given to the chat template.

    Raises:
        UserError: the view cannot be measured.
    """
    k = context.num_fewshot if prompted else 0
    metadata: dict[str, Any] = {
        "data": spec.data,
        "pool": spec.pool,
        "demonstrations": spec.mode,
        "demonstration_seed": spec.demonstration_seed,
        # The task renders the chat. Given to the engine, it would make lm-eval cut the thinking off, which
        # our scorers do, keeping the raw text.
        "enable_thinking": enable_thinking,
    }
    if isinstance(member, JsonLinesSource):
        return _rows_task(member, context, metadata, k, prompted=prompted)
    if prompted and context.privileged:
        raise UserError(
            f"privileged: {member.name} cannot be measured with the answer beside its questions; only rows "
            "of one's own can."
        )
    if isinstance(member, LmEvalTask):
        return HarnessTask(member.task_name, member.harness_task(k), member.manager, lm_eval_scores(member))
    assert isinstance(member, BenchmarkSource)
    by_choice = isinstance(member, ChoiceBenchmark)
    name = member.name if by_choice else f"{member.name}_icl_{'fewshot' if k else '0shot'}"
    manager = TaskManager(include_path=str(TASK_DIR), include_defaults=False, metadata=metadata)
    task = manager.load([name])["tasks"][name]
    scores = (Score("acc"),) if by_choice else member.benchmark.scores
    scored = tuple(Scored(score.name, score.name, unit=score.unit) for score in scores)
    return HarnessTask(name, task, manager, scored, member.benchmark.logged)


def lm_eval_scores(member: LmEvalTask) -> tuple[Scored, ...]:
    """The numbers of a task of lm-eval: each metric under each answer filter.

    Those where more is better come first.

    Raises:
        UserError: it has none.
    """
    filters = member.filters
    found = [
        Scored(
            metric.name if len(filters) == 1 else f"{metric.name},{name}",
            metric.name,
            name,
            "row" if metric.binary else "score",
        )
        for metric in sorted(member.metrics, key=lambda metric: not metric.higher_is_better)
        for name in filters
    ]
    if not found:
        raise UserError(f"{member.name} has no metric; a task without one cannot be measured.")
    return tuple(found)


def _rows_task(
    member: JsonLinesSource, context: Context, metadata: dict[str, Any], k: int, *, prompted: bool
) -> HarnessTask:
    own = any(row.teacher_prompt is not None or row.privileged is not None for row in member.evaluation())
    beside = prompted and (own or context.privileged is not None)
    config = rows_config(member.name, member.max_new_tokens or ROWS_TOKENS)
    config["metadata"] |= {**metadata, "view": "teacher" if beside else "student"}
    if k:
        config["num_fewshot"] = k
    # The system text, documents included, comes through the harness; given here, it would stand there twice.
    shown = Context(privileged=context.privileged, privileged_template=context.privileged_template)
    task = SourceTask(member, shown, config)
    unit = "row" if member.metric is not None and member.metric.binary else "score"
    scored = (Scored(member.metric_name, member.metric_name, unit=unit),)
    return HarnessTask(member.name, task, TaskManager(include_defaults=False), scored, ("reference",))


def judged(source: Source, episode: Episode, reply: str, at: Circumstances = NOTHING_SPECIAL) -> float:
    """The primary score, 0 to 1, of a reply to a training row; see `judgement`."""
    return judgement(source, episode, reply, at).score


def judgement(source: Source, episode: Episode, reply: str, at: Circumstances = NOTHING_SPECIAL) -> Judgement:
    """The primary score of a reply to a row, and why there is none: what an evaluation says of it.

    Args:
        source: What is asked.
        episode: The row.
        reply: The raw reply.
        at: How it came about.

    Raises:
        UserError: the source's scorer cannot judge such rows, or this one has no label to judge by.
    """
    if isinstance(source, OtherInputs):
        raise UserError(
            f"{source.name}: its scorer judges rows of its own, not those of {source.data}; keep all answers."
        )
    member = next((one for one in source.members if one.name == episode.source), source)
    if isinstance(member, JsonLinesSource):
        if member.metric is not None:
            _check_label(member.name, episode, member.metric)
        return member.judge(episode, reply, at)
    if isinstance(member, BenchmarkSource):
        found = member.score(member.document(episode), reply, at)
        error = "its scorer cannot judge it; see the log" if found.get("scorer_error") else None
        return Judgement(float(found[member.benchmark.scores[0].name]), error)
    if isinstance(member, LmEvalTask) and member.task.OUTPUT_TYPE == "generate_until":
        return _of_lm_eval(member, episode, reply)
    raise UserError(f"{source.name}: its scorer judges no written answers; keep all of them.")


def _of_lm_eval(member: LmEvalTask, episode: Episode, reply: str) -> Judgement:
    try:
        return Judgement(member.judge(episode, reply))
    except UserError:
        raise
    except Exception as error:  # whatever one reply does to a function of the YAML
        logger.exception("%s row %s breaks its scorer and counts as wrong", member.name, episode.id)
        return Judgement(0.0, f"its scorer failed: {type(error).__name__}: {error}")


def _check_label(name: str, episode: Episode, metric: NamedMetric) -> None:
    """Refuse a row that no reply could be right for: unlabelled answers would all be thrown away."""
    try:
        metric.check(episode.reference)
    except UserError as error:
        raise UserError(f"{name} row {episode.id!r} cannot be judged by {metric.spec!r}: {error}") from None
