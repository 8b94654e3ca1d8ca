"""What only the teacher reads: demonstrations, an instruction, documents, a privileged answer."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from lm_eval_tasks.episodes import Episode, Picker, Prompt, Source
from lm_eval_tasks.errors import UserError

PRIVILEGED_TEMPLATE = "{question}\n\nReference (for you alone):\n{privileged}"
GOLD = "completion"
"""The privileged column that means the row's gold answer."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PATH = re.compile(r"\S+\.(?:txt|md|text|jinja|html)|\.{0,2}/\S+")


class Document(NamedTuple):
    """A text that stands in the system turn under its name."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """A way to read a question that the student shall not need.

    Attributes:
        num_fewshot: Demonstrations shown.
        demonstrations: How they are chosen: `listed` (the first of their file), `fixed`, `per_example`, ...
        demonstration_seed: Seed of their choice.
        system_instruction: Text of the system turn.
        documents: What follows it there.
        privileged: The column whose text is shown beside the question; `completion`: the gold answer. None:
            a row's own `privileged_context`, where it has one.
        privileged_template: The question's turn with a privileged text, by `{question}` and `{privileged}`.

    Raises:
        UserError: a negative count, or a template that lacks a placeholder or has an unknown one.
    """

    num_fewshot: int = 0
    demonstrations: str = "fixed"
    demonstration_seed: int = 42
    system_instruction: str | None = None
    documents: tuple[Document, ...] = ()
    privileged: str | None = None
    privileged_template: str = PRIVILEGED_TEMPLATE

    def __post_init__(self) -> None:
        """Check what comes from a command line or a file."""
        if self.num_fewshot < 0:
            raise UserError(f"num_fewshot is {self.num_fewshot}; it must be 0 or more.")
        found = _PLACEHOLDER.findall(self.privileged_template)
        for name in ("question", "privileged"):
            if name not in found:
                raise UserError(
                    f"privileged_template {self.privileged_template!r:.80} lacks {{{name}}}; it needs "
                    "{question} and {privileged}."
                )
        if unknown := set(found) - {"question", "privileged"}:
            raise UserError(
                f"privileged_template {self.privileged_template!r:.80} has the unknown placeholder "
                f"{{{min(unknown)}}}; it may have {{question}} and {{privileged}}."
            )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is added to what the student reads; rows may still bring their own."""
        return not (self.num_fewshot or self.system() or self.privileged)

    def system(self) -> str | None:
        """The text of the system turn: the instruction, then each document under its name."""
        texts = [f"Document {name}:\n\n{text}" for name, text in self.documents]
        return "\n\n".join(text for text in (self.system_instruction, *texts) if text) or None

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` reads it."""
        return asdict(self) | {"documents": [document._asdict() for document in self.documents]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Context":
        """What `to_json` gave.

        Raises:
            UserError: it is of another form.
        """
        if unknown := value.keys() - {known.name for known in fields(cls)}:
            raise UserError(f"context: unknown field {min(unknown)!r}; it is no context of this version.")
        try:
            documents = tuple(Document(**document) for document in value.get("documents", ()))
        except TypeError:
            raise UserError(
                f"context: documents is {value['documents']!r:.80}, not names and texts."
            ) from None
        return cls(**{**value, "documents": documents})

    def picker(self, source: Source) -> Picker:
        """Picks the demonstrations for a source's questions.

        Raises:
            UserError: see `Source.picker`.
        """
        return source.picker(self.num_fewshot, self.demonstrations, self.demonstration_seed)

    def apply(
        self, source: Source, episodes: Iterable[Episode], pick: Callable[[Episode], Sequence[Episode]]
    ) -> list[Episode]:
        """The episodes with what the teacher reads; a row's own `teacher_prompt` stays.

        Args:
            source: Renders them.
            episodes: What is asked.
            pick: The demonstrations for one of them; called only where `num_fewshot` is not 0.

        Raises:
            UserError: a row lacks the privileged text.
        """
        return [
            episode.seen_with(self.prompt(source, episode, pick(episode) if self.num_fewshot else ()))
            for episode in episodes
        ]

    def prompt(self, source: Source, episode: Episode, shown: Sequence[Episode]) -> Prompt:
        """What the teacher reads of one episode: its own `teacher_prompt`, else the context around it.

        Args:
            source: Renders it.
            episode: What is asked.
            shown: The demonstrations before it.

        Raises:
            UserError: the row lacks the privileged text.
        """
        if episode.teacher_prompt is not None:
            return episode.teacher_prompt
        prompt = source.show(episode, shown, system=self.system())
        text = privileged_text(episode, self.privileged)
        return prompt if text is None else self._beside(prompt, episode, text)

    def _beside(self, prompt: Prompt, episode: Episode, text: str) -> Prompt:
        """The prompt with its last question in the template."""

        def filled(question: str) -> str:
            # No str.format: braces of a template that shows JSON are its own.
            values = {"question": question, "privileged": text}
            return _PLACEHOLDER.sub(lambda match: values[match[1]], self.privileged_template)

        if isinstance(prompt, str):
            before, question, after = prompt.rpartition(episode.question)
            if not question:
                raise UserError(
                    f"{episode.source} {episode.id}: the prompt does not hold the question as it stands, so "
                    "no privileged text can be put beside it; use a model with a chat template, or none."
                )
            return before + filled(question) + after
        last = max(i for i, turn in enumerate(prompt) if turn["role"] == "user")
        turn = prompt[last] | {"content": filled(prompt[last]["content"])}
        return (*prompt[:last], turn, *prompt[last + 1 :])


def privileged_text(episode: Episode, column: str | None) -> str | None:
    """The privileged text of a row.

    Args:
        episode: The row.
        column: See `Context.privileged`.

    Raises:
        UserError: the row lacks the column, or it is neither text nor a number.
    """
    if column in (None, "privileged_context"):
        value: Any = episode.privileged
        if column is None and value is None:
            return None
    else:
        value = episode.completion if column == GOLD else episode.reference.get(column)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        remedy = (
            "label it" if column == GOLD
            else "add it to every row, or name another column with --privileged"
        )  # fmt: skip
        raise UserError(
            f"{episode.source}, row {episode.id!r}: the privileged column {column!r} must be text, not "
            f"{value!r:.60}; {remedy}."
        )
    return str(value)


def read_instruction(value: str) -> str:
    """The text of `--system_instruction TEXT|FILE`: that of the file, where there is one of this name.

    Raises:
        UserError: it is empty, or looks like the name of a file that does not exist.
    """
    try:
        is_file = Path(value).is_file()
    except (OSError, ValueError):  # a text too long for a name
        is_file = False
    if is_file:
        return read_document(value).text
    if not value.strip():
        raise UserError("system_instruction is empty; give a text or a file.")
    if _PATH.fullmatch(value.strip()):
        raise UserError(f"system_instruction: the file {value} does not exist; give its path, or a text.")
    return value


def read_document(path: Path | str) -> Document:
    """A document, without white space around it.

    Raises:
        UserError: the file cannot be read as UTF-8 text, or is empty.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise UserError(f"cannot read the document {path} ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise UserError(f"the document {path} is no UTF-8 text; convert it to plain text first.") from None
    if not text:
        raise UserError(f"the document {path} is empty.")
    return Document(path.name, text)
