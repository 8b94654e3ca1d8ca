"""The rows of an lm-eval task: which are evaluated, learnt from, and shown as demonstrations."""

from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

from lm_eval.api.task import ConfigurableTask

from lm_eval_tasks.episodes import same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.fixed_sampler import Doc
from lm_eval_tasks.sources.harness_listing import evaluated_split
from lm_eval_tasks.sources.lm_eval_docs import DocReader, told_plainly
from lm_eval_tasks.sources.lm_eval_draws import Draw


class Rows:
    """Documents of one task.

    Attributes:
        reader: Reads a document.
        family: The rows whose evaluated questions may not be learnt from or shown: of a group, all members'.

    Raises:
        UserError: `train_split` does not exist or is the one evaluated.
    """

    def __init__(self, task: ConfigurableTask, reader: DocReader, train_split: str | None) -> None:
        self.reader = reader
        self.family: Sequence[Rows] = [self]
        self._task, self._config, self._name = task, task.config, str(task.task_name)
        self._sampler = task.sampler
        self._train_split = train_split
        self._evaluated = evaluated_split(vars(task.config))
        self._check_train_split()
        self.pool_question = cache(self._pool_question)

    @property
    def learns(self) -> bool:
        """Whether there is a split to learn from, which is not the one evaluated."""
        own = self._config.training_split
        return self._train_split is not None or (own is not None and own != self._evaluated)

    def evaluated(self) -> tuple[str, Sequence[Doc]]:
        """The evaluated split's name and its documents."""
        return str(self._evaluated), self._task.eval_docs

    def training(self) -> tuple[str, Sequence[Doc]]:
        """The training split's name and its documents, evaluated ones included.

        Raises:
            UserError: there is none.
        """
        if self._train_split is not None:
            docs = self._task.dataset[self._train_split]
            process_docs = self._config.process_docs
            return self._train_split, list(process_docs(docs) if process_docs is not None else docs)
        if self.learns:
            return str(self._config.training_split), list(self._task.training_docs())
        own, spare = self._config.training_split, self._config.validation_split
        what = "it evaluates its training split" if own else "it has no training split"
        or_else = f", or learn from its validation rows with --train_split {spare}"
        raise UserError(
            f"{self._name}: there are no rows to learn from, since {what}. Name a pool by --inputs FILE"
            f"{or_else if spare not in (None, self._evaluated) else ''}."
        )

    @cached_property
    def pool(self) -> tuple[str, Sequence[Doc]]:
        """The name and the documents of what demonstrations come from, evaluated ones included.

        It is lm-eval's few-shot split; where that is the one evaluated, the training split.
        """
        config, fewshot = self._config, self._task.fewshot_cfg
        if fewshot.split is None and fewshot.samples is not None:
            return "samples", list(self._sampler.df)
        split = fewshot.split or config.training_split or config.validation_split or config.test_split
        if split == self._evaluated and self.learns:
            return self.training()
        same = fewshot.process_docs is config.process_docs
        return (split if same else f"fewshot-{split}"), list(self._sampler.df)

    def question(self, row: str, doc: Doc) -> str:
        """What a document asks, in the form that is compared."""
        with told_plainly(self._name, row):
            return same_question(self.reader.question(doc))

    def may_teach(self, row: str, doc: Doc) -> bool:
        """Whether no evaluated row asks the same."""
        return self.question(row, doc) not in self._forbidden

    def draw(self, k: int, mode: str, seed: int) -> Draw:
        """Chooses k rows of the pool; what the task lists itself is shown where `fixed` is asked for."""
        (label, docs), sampler = self.pool, self._task.fewshot_cfg.sampler
        chosen = None
        if mode == "fixed" and (sampler == "first_n" or label == "samples"):
            mode = "listed"
        elif mode == "fixed" and not isinstance(sampler, str) and k:
            self._sampler.set_rnd(seed)
            chosen = [docs.index(doc) for doc in self._sampler.sample(k)]
        return Draw(self._name, len(docs), self.pool_question, k, mode, seed, chosen)

    def _pool_question(self, index: int) -> str | None:
        """What a row of the pool asks; None: it is evaluated, or has no answer."""
        label, docs = self.pool
        question = self.question(f"{label}/{index}", docs[index])
        if question in self._forbidden:
            return None
        return question if self.reader.answers(docs[index]) else None

    @cached_property
    def _evaluated_questions(self) -> frozenset[str]:
        label, docs = self.evaluated()
        return frozenset(self.question(f"{label}/{index}", doc) for index, doc in enumerate(docs))

    @cached_property
    def _forbidden(self) -> frozenset[str]:
        return frozenset().union(*(rows._evaluated_questions for rows in self.family))

    def _check_train_split(self) -> None:
        split, dataset = self._train_split, self._task.dataset
        if split is not None and split == self._evaluated:
            raise UserError(
                f"--train_split: {self._name} is evaluated on {split!r}; name another, or --inputs FILE."
            )
        if split is not None and split not in dataset:
            known = ", ".join(map(str, dataset))
            raise UserError(f"--train_split: {self._name} has no split {split!r}; it has {known}.")


def named(task: ConfigurableTask, about: dict[str, Any]) -> None:
    """Write into the task's metadata, which lm-eval logs with its results."""
    task.set_config("metadata", {**(task.config.metadata or {}), **about})
