"""One task of lm-evaluation-harness as a source of episodes.

The student reads the task at 0 shots, the teacher the same task at k: both are written by lm-eval's own
`fewshot_context` on the loaded task, given a sampler that returns the episode's demonstrations. So whatever a
YAML can say (templates, functions, `process_docs`, `description`, `gen_prefix`, `fewshot_config`) holds here.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from numbers import Real
from typing import Any

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from lm_eval_tasks.episodes import Episode, Prompt, same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.fixed_sampler import Doc, FixedSampler, answered, show_answers, tell_question
from lm_eval_tasks.sources.lm_eval_docs import DocReader, told_plainly
from lm_eval_tasks.sources.lm_eval_draws import Draw
from lm_eval_tasks.sources.lm_eval_loading import fresh
from lm_eval_tasks.sources.lm_eval_metrics import Metric, filters_of, metrics_of
from lm_eval_tasks.sources.lm_eval_rows import Rows, named

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How a task is asked; see `lm_eval_task.open_lm_eval_task`."""

    chat: bool
    train_split: str | None
    demonstrations: str
    seed: int
    num_fewshot: int | None


class LmEvalTask:
    """One task of lm-eval; a `Source`.

    Attributes:
        name: `lm_eval:NAME`.
        task_name: As lm-eval's results name it.
        num_fewshot: Demonstrations of its few-shot view.
        task: The loaded task; for evaluation take `harness_task`.
        manager: For `simple_evaluate(task_manager=...)`: else it reads 14,000 YAML files.
        rows: Its documents by what they are for.
        left_out: Training rows that `train` left out since they are evaluated, and that `taught` left out
            since they are demonstrations.
    """

    def __init__(self, task: ConfigurableTask, manager: TaskManager, options: Options) -> None:
        self.task_name = str(task.task_name)
        self.name = f"lm_eval:{self.task_name}"
        self.task, self.manager = task, manager
        own = task.config.num_fewshot or 0
        self.num_fewshot = int(own if options.num_fewshot is None else options.num_fewshot)
        self.left_out = {"evaluated": 0, "demonstrations": 0}
        self.demonstration_mode = options.demonstrations
        self._reader = DocReader(task, chat=options.chat)
        self.rows = Rows(task, self._reader, options.train_split)
        self._docs: dict[str, Doc] = {}
        self._draw = cache(lambda k: self.rows.draw(k, options.demonstrations, options.seed))

    @property
    def members(self) -> list["LmEvalTask"]:
        """Itself."""
        return [self]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Its metrics in the YAML's order, the primary one first."""
        return metrics_of(self.task)

    @property
    def filters(self) -> tuple[str, ...]:
        """Its answer filters in the YAML's order."""
        return filters_of(self.task)

    def train(self) -> list[Episode]:
        """Rows to learn from; those that ask what an evaluated row of the family asks are left out.

        Raises:
            UserError: there are none.
        """
        label, docs = self.rows.training()
        named_docs = [(f"{label}/{i}", doc) for i, doc in enumerate(docs)]
        rows = [self._episode(row, doc) for row, doc in named_docs if self.rows.may_teach(row, doc)]
        self.left_out["evaluated"] = len(docs) - len(rows)
        if len(rows) < len(docs):
            told = "%s: %d of %d training rows ask what an evaluated row asks and are left out"
            logger.warning(told, self.task_name, len(docs) - len(rows), len(docs))
        if not rows:
            raise UserError(
                f"{self.task_name}: each of the {len(docs)} rows of its split {label!r} is evaluated too; "
                "name another pool by --inputs FILE."
            )
        return rows

    def evaluation(self) -> list[Episode]:
        """The rows that lm-eval evaluates, in its order: `id` ends in its `doc_id`."""
        label, docs = self.rows.evaluated()
        return [self._episode(f"{label}/{i}", doc) for i, doc in enumerate(docs)]

    def pool(self) -> list[Episode]:
        """The rows that demonstrations are drawn from: those of its few-shot split that are not evaluated."""
        label, docs = self.rows.pool
        shown = [i for i in range(len(docs)) if self.rows.pool_question(i) is not None]
        return [self._episode(f"{label}/{i}", docs[i]) for i in shown]

    def show(
        self, episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
    ) -> Prompt:
        """What lm-eval asks behind these demonstrations, rows of this task, and this system instruction."""
        shown = [self._shown(demonstration) for demonstration in demonstrations]
        with told_plainly(self.task_name, episode.id):
            return self._reader.prompt(self._doc(episode), shown, system=system)

    def picker(self, k: int, mode: str | None = None, seed: int = 42) -> "LmEvalPicker":
        """Chooses k demonstrations, as `harness_task` shows them where mode and seed are the source's."""
        return LmEvalPicker(self, self.rows.draw(k, mode or self.demonstration_mode, seed))

    def demonstrations(self, episode: Episode, k: int | None = None) -> list[Episode]:
        """The k demonstrations (default: `num_fewshot`) that `episode` is shown.

        Raises:
            UserError: too few rows, or the episode is one of the fixed ones.
        """
        draw = self._draw(self.num_fewshot if k is None else k)
        return self._drawn(draw, draw.pick(same_question(episode.question)))

    def taught(self, k: int | None = None, *, system: str | None = None) -> list[Episode]:
        """`train` with what the teacher reads: k demonstrations and a system instruction.

        Rows that are among the fixed demonstrations are left out, so that all the others share one prefix.
        """
        draw = self._draw(self.num_fewshot if k is None else k)
        shown = {self.rows.pool_question(index) for index in draw.fixed}
        rows = self.train()
        kept = [row for row in rows if same_question(row.question) not in shown]
        self.left_out["demonstrations"] = len(rows) - len(kept)
        return [
            row.seen_with(self.show(row, self.demonstrations(row, draw.k), system=system)) for row in kept
        ]

    def harness_task(self, k: int | None = None) -> ConfigurableTask:
        """A task object for `simple_evaluate(lm, tasks=[...], num_fewshot=k)` with these demonstrations.

        Its requests must not come from lm-eval's cache, whose key does not know the demonstrations.
        """
        task = fresh(self.task)
        k = self.num_fewshot if k is None else k
        draw = self._draw(k)
        # A YAML's `num_fewshot: 0` would outlast the argument of `simple_evaluate`.
        task.set_config("num_fewshot", k)
        if draw.mode == "shuffled":
            show_answers(task)
        if draw.mode == "per_example":
            tell_question(task)
        task.sampler = FixedSampler(self._choose)
        named(task, {"demonstrations": draw.mode, "demonstration_seed": draw.seed})
        return task

    def judge(self, episode: Episode, reply: str) -> float:
        """The primary metric of a reply to one of its rows, through its first answer filter.

        It is the first metric of which more is better, as in an evaluation, which ends a reply at the task's
        stop strings.

        Raises:
            UserError: there is no such metric, or its value of one reply is no number.
        """
        doc = self._doc(episode)
        instance = Instance("generate_until", doc, ("", {}), 0, resps=[self._up_to_stop(reply)])
        self._judging._filters[0].apply([instance])
        found = self._judging.process_results(doc, [instance.filtered_resps[self.filters[0]]])
        name = next((metric.name for metric in self.metrics if metric.higher_is_better), None)
        if name is None:
            raise UserError(f"{self.name} has no metric of which more is better; replies cannot be ranked.")
        if not isinstance(found[name], Real | np.bool_):
            raise UserError(
                f"{self.name}: the metric {name!r} of one reply is {found[name]!r:.60}, no number; replies "
                "cannot be ranked."
            )
        return float(found[name])

    @cached_property
    def _judging(self) -> ConfigurableTask:
        """Judges replies; an evaluation's own task object keeps requests and settings."""
        return fresh(self.task)

    def _up_to_stop(self, reply: str) -> str:
        """The reply as lm-eval's models hand it on."""
        stops = (self.task.config.generation_kwargs or {}).get("until") or []
        for stop in [stops] if isinstance(stops, str) else stops:
            reply = reply.split(stop)[0] if stop else reply
        return reply

    def tasks(self, k: int | None = None) -> list[ConfigurableTask]:
        """`harness_task` of every member."""
        return [self.harness_task(k)]

    def _drawn(self, draw: Draw, indices: Sequence[int]) -> list[Episode]:
        label, docs = self.rows.pool
        rows = [self._episode(f"{label}/{index}", docs[index]) for index in indices]
        if draw.mode != "shuffled":
            return rows
        answers = [*rows[1:], *rows[:1]]
        return [
            replace(row, completion=answer.completion, reference=answer.reference)
            for row, answer in zip(rows, answers, strict=True)
        ]

    def _choose(self, n: int, asked: Doc | None) -> list[Doc]:
        """The documents of n demonstrations, for lm-eval's evaluation."""
        draw = self._draw(n)
        if draw.mode == "per_example":
            if asked is None:
                raise RuntimeError("lm-eval did not hand the question to its sampler; see `tell_question`")
            indices = draw.pick(self.rows.question("evaluated", asked))
        else:
            indices = draw.fixed
        return [self._shown(row) for row in self._drawn(draw, indices)]

    def _episode(self, row: str, doc: Doc) -> Episode:
        name = f"{self.task_name}/{row}"
        self._docs[name] = doc
        with told_plainly(self.task_name, row):
            answers = self._reader.answers(doc)
            reference: dict[str, Any] = {"target": answers[0] if answers else None}
            if len(answers) > 1:
                reference["targets"] = answers
            if choices := self._reader.choices(doc):
                reference["choices"] = choices
            return Episode(
                source=self.name,
                id=name,
                prompt=self._reader.prompt(doc),
                question=self._reader.question(doc),
                completion=self._reader.completion(doc, answers[0]) if answers else None,
                reference=reference,
            )

    def _doc(self, episode: Episode) -> Doc:
        if episode.id not in self._docs:
            raise UserError(
                f"{self.task_name}: {episode.id} is no row of it; its prompts can show its own rows alone."
            )
        return self._docs[episode.id]

    def _shown(self, demonstration: Episode) -> Doc:
        """The document of a demonstration, with the episode's answer where that is another one."""
        doc = self._doc(demonstration)
        own, answer = self._reader.answers(doc), demonstration.reference["target"]
        return doc if own and own[0] == answer else answered(doc, answer)


class LmEvalPicker:
    """Demonstrations of one task; a `Picker`."""

    def __init__(self, task: LmEvalTask, draw: Draw) -> None:
        self._task, self._draw = task, draw

    @property
    def fixed(self) -> list[Episode]:
        """See `Picker`."""
        return self._task._drawn(self._draw, self._draw.fixed)

    def pick(self, episode: Episode) -> list[Episode]:
        """See `Picker`; raises as `LmEvalTask.demonstrations` does."""
        return self._task._drawn(self._draw, self._draw.pick(same_question(episode.question)))
