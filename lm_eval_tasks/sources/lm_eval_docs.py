"""One document of an lm-eval task: prompt, question and answers, all by the task's own methods."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lm_eval.api.task import ConfigurableTask

from lm_eval_tasks.episodes import Prompt
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.sources.fixed_sampler import Answered, Doc, FixedSampler, show_answers


class DocReader:
    """Reads documents of one loaded task.

    Attributes:
        task: The task; its sampler is replaced at every prompt.
        chat: Whether prompts are chat messages; else they are plain text.
    """

    def __init__(self, task: ConfigurableTask, *, chat: bool) -> None:
        self.task = task
        self.chat = chat

    def prompt(self, doc: Doc, shown: Sequence[Doc] = (), *, system: str | None = None) -> Prompt:
        """What lm-eval asks, behind the documents `shown`; of one context per choice, the right choice's.

        Raises:
            UserError: a template or function of the task fails.
        """
        self.task.sampler = FixedSampler(lambda n, asked: shown)
        own = self.task.fewshot_cfg.doc_to_target
        if any(isinstance(document, Answered) for document in shown):
            show_answers(self.task)
        try:
            context = self._context(doc, len(shown), system)
        finally:
            self.task.fewshot_cfg.doc_to_target = own
        return tuple(context) if self.chat else str(context)

    def question(self, doc: Doc) -> str:
        """What is asked, with the choices in sorted order: rows that differ in it ask different things."""
        choices = self.choices(doc)
        if self.task.multiple_input:
            return "\n".join(choices)
        text = str(self.task.doc_to_text(doc))
        return "\n".join([text, *sorted(choices)]) if self._is_choice else text

    def choices(self, doc: Doc) -> list[str]:
        """The choices, none where the task has none."""
        if self.task.config.doc_to_choice is None:
            return []
        return [str(choice) for choice in self.task.doc_to_choice(doc)]

    def answers(self, doc: Doc) -> list[str]:
        """The bare right answers, the one that lm-eval shows first; none where the row has no label."""
        target = self.task.doc_to_target(doc)
        if self.task.multiple_input:
            index = self._right_context(doc)
            return [str(target)] if 0 <= index < len(self.choices(doc)) else []
        choices = self.choices(doc)
        texts = (self._answer(gold, choices) for gold in (target if isinstance(target, list) else [target]))
        return [text for text in texts if text]

    def completion(self, doc: Doc, answer: str) -> str:
        """The text after the prompt where `answer` is given: in multiple choice, what lm-eval scores."""
        if self.task.OUTPUT_TYPE == "loglikelihood":
            return answer
        if self._is_choice:
            return self._scored(doc, answer)
        question = {
            "q": self.task.doc_to_text(doc),
            "gen_prefix": self.task.doc_to_prefix(doc),
            "tgt_delim": self.task.config.target_delimiter,
            "few_delim": "",
        }
        asked, given = self.task.build_qa_turn(**question), self.task.build_qa_turn(a=answer, **question)
        if not self.chat:
            return _text(given).removeprefix(_text(asked))
        return str(given[-1].content).removeprefix(question["gen_prefix"] or "")

    @property
    def _is_choice(self) -> bool:
        return bool(self.task.OUTPUT_TYPE == "multiple_choice")

    def _context(self, doc: Doc, k: int, system: str | None) -> Any:
        contexts = self.task.fewshot_context(
            doc,
            num_fewshot=k,
            system_instruction=system,
            apply_chat_template=self.chat,
            fewshot_as_multiturn=True,
            chat_template=_hand_back if self.chat else None,
            gen_prefix=self.task.doc_to_prefix(doc),
        )
        return contexts[self._right_context(doc)] if self.task.multiple_input else contexts

    def _answer(self, gold: Any, choices: list[str]) -> str:
        if choices and isinstance(gold, int):
            # Hidden labels of test splits are -1, which would index the last choice.
            return choices[gold] if 0 <= gold < len(choices) else ""
        text = "" if gold is None else str(gold)
        return text if text in choices or not self._is_choice else ""

    def _right_context(self, doc: Doc) -> int:
        return int(self.task.doc_to_text(doc))

    def _scored(self, doc: Doc, answer: str) -> str:
        choices = self.choices(doc)
        right = self._right_context(doc) if self.task.multiple_input else choices.index(answer)
        requests = self.task.construct_requests(
            doc, [""] * len(choices), apply_chat_template=self.chat, metadata=(self.task.task_name, 0, 1)
        )
        return str(requests[right].arguments[1])


@contextmanager
def told_plainly(task: str, row: str) -> Iterator[None]:
    """Failures of a task's templates and functions, as a `UserError` that names the row."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a task's own functions may raise anything
        raise UserError(
            f"{task}: row {row} cannot be asked ({type(error).__name__}: {error}). Mend the row, or the "
            "templates and functions of the task's YAML."
        ) from error


def _hand_back(messages: list[dict[str, Any]], add_generation_prompt: bool = True) -> list[dict[str, Any]]:
    """In the place of a chat template: the messages themselves."""
    return messages


def _text(turns: Sequence[Any]) -> str:
    return "".join(turn.to_text() for turn in turns)
