"""Any task of lm-evaluation-harness as a source of episodes.

The student reads the task at 0 shots, the teacher the same task at k: both are written by lm-eval's own
`fewshot_context` on the loaded task, given a sampler that returns the episode's demonstrations. So whatever a
YAML can say (templates, functions, `process_docs`, `description`, `gen_prefix`, `fewshot_config`) holds here.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from lm_eval_tasks.episodes import Episode, Prompt
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.fixed_sampler import Doc, FixedSampler, answered, show_answers, tell_question
from lm_eval_tasks.sources.harness_index import evaluated_split
from lm_eval_tasks.sources.lm_eval_docs import DocReader, same_question, told_plainly
from lm_eval_tasks.sources.lm_eval_draws import Draw
from lm_eval_tasks.sources.lm_eval_loading import Loaded, fresh, load

logger = logging.getLogger(__name__)

_RIGHT_OR_WRONG = {"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a task.

    Attributes:
        name: As lm-eval's results name it, before the comma and the filter's name.
        higher_is_better: Its direction.
        binary: Whether a row's value is 0 or 1; None: the task's own function makes it, its values tell.
    """

    name: str
    higher_is_better: bool
    binary: bool | None


@dataclass(frozen=True, slots=True)
class Options:
    """How a task is asked; see `open_lm_eval_task`."""

    chat: bool
    train_split: str | None
    demonstrations: str
    seed: int
    num_fewshot: int | None


def open_lm_eval_task(
    name_or_path: str,
    *,
    chat: bool,
    train_split: str | None = None,
    demonstrations: str = "fixed",
    seed: int = 42,
    num_fewshot: int | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> "LmEvalTask | LmEvalGroup":
    """Load a task, group or tag.

    Args:
        name_or_path: A name that lm-eval knows (`lm_eval:` before it is allowed), or the path of a YAML file.
        chat: Whether prompts are chat messages; else plain text, for a model without a chat template.
        train_split: The split to learn from; default: the task's training split.
        demonstrations: One of `lm_eval_draws.MODES`. A task that lists its own (`first_n`, or
            `fewshot_config.samples`) shows those where `fixed` is asked for.
        seed: Of the draw.
        num_fewshot: Demonstrations of the few-shot view; default: the task's, else 0.
        metadata: Passed on to the task, as `lm_eval --metadata` does.

    Raises:
        UserError: there is no such task, it cannot be asked as episodes, or `train_split` cannot be learnt from.
    """
    loaded = load(name_or_path, metadata)
    options = Options(chat, train_split, demonstrations, seed, num_fewshot)
    if not loaded.is_collection:
        return LmEvalTask(loaded.tasks[0], loaded.manager, options)
    return LmEvalGroup(loaded, options)


class LmEvalTask:
    """One task of lm-eval; a `Source`.

    Attributes:
        name: `lm_eval:NAME`.
        task_name: As lm-eval's results name it.
        num_fewshot: Demonstrations of its few-shot view.
        task: The loaded task; for evaluation take `harness_task`.
        manager: For `simple_evaluate(task_manager=...)`: else it reads 14,000 YAML files.
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
        self._options = options
        self._family: Sequence[LmEvalTask] = [self]
        self._sampler = task.sampler
        self._reader = DocReader(task, chat=options.chat)
        self._docs: dict[str, Doc] = {}
        self._draw = cache(self._new_draw)
        show_answers(task)
        _check_train_split(self.task_name, task, options.train_split)

    @property
    def members(self) -> list["LmEvalTask"]:
        """Itself."""
        return [self]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Its metrics in the YAML's order, the primary one first."""
        aggregation, judged = self.task.aggregation(), self.task.config.process_results
        return tuple(
            Metric(name, bool(higher), _is_binary(name, aggregation.get(name), judged))
            for name, higher in self.task.higher_is_better().items()
        )

    @property
    def filters(self) -> tuple[str, ...]:
        """Its answer filters in the YAML's order."""
        return tuple(str(item["name"]) for item in self.task.config.filter_list or [{"name": "none"}])

    def train(self) -> list[Episode]:
        """Rows to learn from; those that ask what an evaluated row of the family asks are left out.

        Raises:
            UserError: there are none.
        """
        label, docs = self._training()
        rows = [self._episode(f"{label}/{i}", doc) for i, doc in enumerate(docs) if self._may_teach(doc)]
        self.left_out["evaluated"] = len(docs) - len(rows)
        if len(rows) < len(docs):
            logger.warning(
                "%s: %d of %d training rows ask what an evaluated row asks and are left out",
                self.task_name, len(docs) - len(rows), len(docs),
            )  # fmt: skip
        if not rows:
            raise UserError(
                f"{self.task_name}: each of the {len(docs)} rows of its split {label!r} is evaluated too; name "
                "another pool by --inputs."
            )
        return rows

    def evaluation(self) -> list[Episode]:
        """The rows that lm-eval evaluates, in its order: `id` ends in its `doc_id`."""
        label = evaluated_split(vars(self.task.config))
        return [self._episode(f"{label}/{i}", doc) for i, doc in enumerate(self.task.eval_docs)]

    def pool(self) -> list[Episode]:
        """The rows that demonstrations are drawn from: those of its few-shot split that are not evaluated."""
        label, docs = self._pool
        return [
            self._episode(f"{label}/{i}", doc)
            for i, doc in enumerate(docs)
            if self._pool_question(i) is not None
        ]

    def show(
        self, episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
    ) -> Prompt:
        """What lm-eval asks behind these demonstrations, rows of this task, and this system instruction."""
        shown = [self._shown(demonstration) for demonstration in demonstrations]
        with told_plainly(self.task_name, episode.id):
            return self._reader.prompt(self._doc(episode), shown, system=system)

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
        shown = {self._pool_question(index) for index in draw.fixed}
        rows = self.train()
        kept = [row for row in rows if same_question(row.question) not in shown]
        self.left_out["demonstrations"] = len(rows) - len(kept)
        return [row.seen_with(self.show(row, self.demonstrations(row, draw.k), system=system)) for row in kept]

    def harness_task(self, k: int | None = None) -> ConfigurableTask:
        """A task object for `simple_evaluate(lm, tasks=[...], num_fewshot=k)` with these demonstrations.

        Its requests must not come from lm-eval's cache, whose key does not know the demonstrations.
        """
        task = fresh(self.task)
        k = self.num_fewshot if k is None else k
        draw = self._draw(k)
        # A YAML's `num_fewshot: 0` would outlast the argument of `simple_evaluate`.
        task.set_config("num_fewshot", k)
        show_answers(task) if draw.mode == "shuffled" else None
        tell_question(task) if draw.mode == "per_example" else None
        task.sampler = FixedSampler(self._choose)
        about = {"demonstrations": draw.mode, "demonstration_seed": draw.seed}
        task.set_config("metadata", {**(task.config.metadata or {}), **about})
        return task

    def tasks(self, k: int | None = None) -> list[ConfigurableTask]:
        """`harness_task` of every member."""
        return [self.harness_task(k)]

    @cached_property
    def evaluated_questions(self) -> frozenset[str]:
        """What its evaluated rows ask."""
        label = evaluated_split(vars(self.task.config))
        docs = enumerate(self.task.eval_docs)
        return frozenset(self._question(f"{label}/{index}", doc) for index, doc in docs)

    @cached_property
    def _forbidden(self) -> frozenset[str]:
        return frozenset().union(*(member.evaluated_questions for member in self._family))

    def _may_teach(self, doc: Doc) -> bool:
        return self._question("to learn from", doc) not in self._forbidden

    def _question(self, row: str, doc: Doc) -> str:
        with told_plainly(self.task_name, row):
            return same_question(self._reader.question(doc))

    def _training(self) -> tuple[str, Sequence[Doc]]:
        config, split = self.task.config, self._options.train_split
        if split is not None:
            docs = self.task.dataset[split]
            return split, list(config.process_docs(docs) if config.process_docs is not None else docs)
        if not has_training_rows(self.task):
            validation = config.validation_split
            spare = validation if validation != evaluated_split(vars(config)) else None
            what = "it evaluates its training split" if config.training_split else "it has no training split"
            raise UserError(
                f"{self.task_name}: there are no rows to learn from, since {what}. Name a pool by --inputs FILE"
                + (f", or learn from its validation rows with --train_split {spare}." if spare else ".")
            )
        return str(config.training_split), list(self.task.training_docs())

    @cached_property
    def _pool(self) -> tuple[str, Sequence[Doc]]:
        """Label and rows that demonstrations come from, evaluated ones included."""
        config, fewshot = self.task.config, self.task.fewshot_cfg
        split = fewshot.split
        if split is None and fewshot.samples is not None:
            return "samples", list(self._sampler.df)
        split = split or config.training_split or config.validation_split or config.test_split
        learns = has_training_rows(self.task) or self._options.train_split
        if split == evaluated_split(vars(config)) and learns:
            return self._training()
        same = fewshot.process_docs is config.process_docs
        return (split if same else f"fewshot-{split}"), list(self._sampler.df)

    def _pool_question(self, index: int) -> str | None:
        """What a row of the pool asks; None: it is evaluated, or has no answer."""
        label, docs = self._pool
        question = self._question(f"{label}/{index}", docs[index])
        if question in self._forbidden:
            return None
        return question if self._reader.answers(docs[index]) else None

    def _new_draw(self, k: int) -> Draw:
        _, docs = self._pool
        fewshot, mode = self.task.fewshot_cfg, self._options.demonstrations
        chosen = None
        if mode == "fixed" and (fewshot.sampler == "first_n" or self._pool[0] == "samples"):
            mode = "listed"
        elif mode == "fixed" and not isinstance(fewshot.sampler, str) and k:
            self._sampler.set_rnd(self._options.seed)
            chosen = [docs.index(doc) for doc in self._sampler.sample(k)]
        question = cache(self._pool_question)
        return Draw(self.task_name, len(docs), question, k, mode, self._options.seed, chosen)

    def _drawn(self, draw: Draw, indices: Sequence[int]) -> list[Episode]:
        label, docs = self._pool
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
            indices = draw.pick(self._question("evaluated", asked))
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


class LmEvalGroup:
    """The tasks of a group or tag, pooled to learn from and evaluated apart; a `Source`.

    Attributes:
        name: `lm_eval:NAME`.
        members: One source per single task.
        num_fewshot: The largest of its members'.
        manager: For `simple_evaluate(task_manager=...)`.
    """

    def __init__(self, loaded: Loaded, options: Options) -> None:
        self.name = f"lm_eval:{loaded.name}"
        self.manager = loaded.manager
        self.members = [LmEvalTask(task, loaded.manager, options) for task in loaded.tasks]
        for member in self.members:
            member._family = self.members
        self.num_fewshot = max(member.num_fewshot for member in self.members)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that all members have, in the first one's order."""
        first, *others = self.members
        return tuple(m for m in first.metrics if all(m in other.metrics for other in others))

    @property
    def left_out(self) -> dict[str, int]:
        """As its members' together."""
        keys = ("evaluated", "demonstrations")
        return {key: sum(member.left_out[key] for member in self.members) for key in keys}

    def train(self) -> list[Episode]:
        """The members' training rows, of those that have some.

        Raises:
            UserError: no member has any.
        """
        return [row for member in self._learning() for row in member.train()]

    def evaluation(self) -> list[Episode]:
        """The members' evaluated rows, member by member."""
        return [row for member in self.members for row in member.evaluation()]

    def pool(self) -> list[Episode]:
        """The members' pools."""
        return [row for member in self.members for row in member.pool()]

    def show(
        self, episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
    ) -> Prompt:
        """As the episode's member shows it."""
        return self._member(episode).show(episode, demonstrations, system=system)

    def demonstrations(self, episode: Episode, k: int | None = None) -> list[Episode]:
        """As the episode's member chooses them; k: default: the member's."""
        return self._member(episode).demonstrations(episode, k)

    def taught(self, k: int | None = None, *, system: str | None = None) -> list[Episode]:
        """`train` with what the teacher reads."""
        return [row for member in self._learning() for row in member.taught(k, system=system)]

    def tasks(self, k: int | None = None) -> list[ConfigurableTask]:
        """`LmEvalTask.harness_task` of every member; k: default: the member's."""
        return [member.harness_task(k) for member in self.members]

    def _learning(self) -> list[LmEvalTask]:
        learning = [m for m in self.members if m._options.train_split or has_training_rows(m.task)]
        if len(learning) < len(self.members):
            logger.warning("%s: %d of %d members have training rows", self.name, len(learning), len(self.members))
        # Where none has any, the first one says what to do.
        return learning or self.members[:1]

    def _member(self, episode: Episode) -> LmEvalTask:
        for member in self.members:
            if member.name == episode.source:
                return member
        raise UserError(f"{self.name}: {episode.id} is no row of it; its prompts can show its own rows alone.")


def has_training_rows(task: ConfigurableTask) -> bool:
    """Whether the task has a training split that is not the one evaluated."""
    return task.has_training_docs() and task.config.training_split != evaluated_split(vars(task.config))


def _check_train_split(name: str, task: ConfigurableTask, split: str | None) -> None:
    if split is None:
        return
    if split == evaluated_split(vars(task.config)):
        raise UserError(f"--train_split: {name} is evaluated on {split!r}; name another split, or --inputs FILE.")
    if split not in task.dataset:
        known = ", ".join(map(str, task.dataset))
        raise UserError(f"--train_split: {name} has no split {split!r}; it has {known}.")


def _is_binary(name: str, aggregation: Any, judged: Any) -> bool | None:
    if aggregation is not mean:
        return False
    return None if judged is not None else name in _RIGHT_OR_WRONG
