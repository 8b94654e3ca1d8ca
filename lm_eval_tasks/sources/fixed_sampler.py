"""Demonstrations that were chosen beforehand, in the place of lm-eval's sampler.

lm-eval's own draws anew for each question from a random state that moves with every call, and knows the
question only where demonstrations come from the evaluated split.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lm_eval.api.samplers import ContextSampler
from lm_eval.api.task import ConfigurableTask

Doc = dict[str, Any]
Choose = Callable[[int, Doc | None], Sequence[Doc]]
"""`choose(n, asked)`: n demonstrations' documents; `asked` is None where lm-eval does not hand it on."""


class Answered(dict[str, Any]):
    """A document that is shown with another answer than its own.

    Attributes:
        answer: The text of that answer.
    """

    answer: str


class FixedSampler(ContextSampler):
    """Serves what `choose` says, whatever seed is set."""

    def __init__(self, choose: Choose) -> None:
        super().__init__()
        self._choose = choose

    def sample(
        self, n: int, eval_doc: Doc | None = None, df: Sequence[Doc] | None = None, **kwargs: Any
    ) -> Sequence[Doc]:
        """The n demonstrations for a question."""
        return self._choose(n, eval_doc)

    def set_rnd(self, rnd: int | None) -> "FixedSampler":
        """As it is: nothing is drawn here."""
        return self


def answered(doc: Doc, answer: str) -> Answered:
    """The document, shown with this answer by a task that `show_answers` has prepared."""
    copy = Answered(doc)
    copy.answer = answer
    return copy


def show_answers(task: ConfigurableTask) -> None:
    """Let demonstrations that are `Answered` be shown with that answer."""
    own = task.fewshot_cfg.doc_to_target

    # A function, not a method: lm-eval copies the config deeply when it logs it, and with a method the task.
    def doc_to_target(doc: Doc) -> Any:
        return doc.answer if isinstance(doc, Answered) else task.doc_to_target(doc, own)

    task.fewshot_cfg.doc_to_target = doc_to_target


def tell_question(task: ConfigurableTask) -> None:
    """Let lm-eval hand the asked document to the sampler.

    It does where the demonstrations' split is the evaluated one; once the sampler is ours, the split's name
    decides on nothing else.
    """
    task.fewshot_cfg.split = task.config.test_split
