"""Episodes: what is asked and how an answer is judged. Sources yield them; all else takes them.

A *source* is one definition of a task, whatever it is made of: a benchmark of this package, any task of
lm-evaluation-harness, or a user's JSON lines. A *context* is what only the teacher reads.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

Message = dict[str, Any]
"""`{"role": "system" | "user" | "assistant" | "tool", "content": text, ...}`, as chat templates take it."""

_MARKS = re.compile(r"[.,;:!?'\"\u2018\u2019\u201c\u201d](?!\d)")

Prompt = tuple[Message, ...] | str
"""Chat messages, ending where the answer begins; or, for a model without a chat template, the text itself."""

QUESTION = "Question: "
"""What a user's turn begins with in plain text."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One question, what may be read before it, and what its answer is judged by.

    Attributes:
        source: The name of its source.
        id: The row's name within its split.
        prompt: What the student reads.
        question: What is asked, without answer-format instructions: what repeats and overlaps are found by.
        completion: The gold answer as an assistant would write it; None: unlabelled.
        reference: What the scorer needs, ready for JSON: such as `target`, `choices`.
        teacher_prompt: What the teacher reads in the place of `prompt`; None: the same.
        privileged: Text that only the teacher may read beside the question; None: there is none.
        tools: Tools in the shape that chat templates take; None: there are none.
        stratum: Demonstrations are drawn evenly over these (such as the answer's letter); "": they are not.
        label: What the user's turns begin with where a model without a chat template reads plain text.
    """

    source: str
    id: str
    prompt: Prompt
    question: str
    completion: str | None = None
    reference: Mapping[str, Any] = field(default_factory=dict, hash=False)
    teacher_prompt: Prompt | None = None
    privileged: str | None = None
    tools: tuple[Mapping[str, Any], ...] | None = field(default=None, hash=False)
    stratum: str = ""
    label: str = QUESTION

    @property
    def taught(self) -> Prompt:
        """What the teacher reads."""
        return self.prompt if self.teacher_prompt is None else self.teacher_prompt

    def seen_with(self, teacher_prompt: Prompt) -> "Episode":
        """The same question behind another context."""
        return replace(self, teacher_prompt=teacher_prompt)


def turns_of(prompt: Prompt) -> tuple[Message, ...]:
    """A prompt as a conversation; a text is what the user says."""
    return ({"role": "user", "content": prompt},) if isinstance(prompt, str) else prompt


def is_open(turn: Message) -> bool:
    """Whether it is a turn of the assistant that nobody has written yet: the evaluated model is to."""
    return turn["role"] == "assistant" and turn.get("content") is None and not turn.get("tool_calls")


def prompt_text(prompt: Prompt) -> str:
    """What the turns of a prompt say, one after the other."""
    return "\n\n".join(str(turn.get("content") or "") for turn in turns_of(prompt))


def same_question(question: str) -> str:
    """The form in which questions are the same.

    Case, white space, Unicode composition and punctuation do not count, but for marks before a digit (`3.5`).
    """
    text = _MARKS.sub("", unicodedata.normalize("NFC", question).casefold())
    return " ".join(text.split())


def fingerprint(episodes: Iterable[Episode]) -> str:
    """A SHA-256 (first 16 hex digits) over what the episodes say, in order; their ids do not count."""
    digest = hashlib.sha256()
    for episode in episodes:
        record = [
            episode.source, episode.prompt, episode.question, episode.completion, episode.reference,
            episode.teacher_prompt, episode.privileged, episode.tools,
        ]  # fmt: skip
        digest.update(json.dumps(record, ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()[:16]


class Picker(Protocol):
    """Chooses demonstrations.

    Attributes:
        fixed: Those that every question sees; none where each has its own.
    """

    @property
    def fixed(self) -> list[Episode]:
        """See the class."""

    def pick(self, episode: Episode) -> list[Episode]:
        """The demonstrations before one question, never the question itself."""


class Source(Protocol):
    """A task.

    Attributes:
        name: As results name it: `gsm8k`, `lm_eval:arc_easy`, `orders`.
        num_fewshot: Demonstrations that its few-shot view shows by default.
        demonstration_mode: How they are chosen unless told otherwise; see `prompting.demonstrations.Mode`.
        members: The single tasks that it is made of, which are evaluated apart; itself, where it is one.
        left_out: Rows that `train` left out since they are evaluated, under `evaluated`.
    """

    @property
    def name(self) -> str:
        """See the class."""

    @property
    def num_fewshot(self) -> int:
        """See the class."""

    @property
    def demonstration_mode(self) -> str:
        """See the class."""

    @property
    def members(self) -> Sequence["Source"]:
        """See the class."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """See the class."""

    def train(self) -> list[Episode]:
        """Rows to learn from, never among `evaluation`; raises `UserError` where there are none."""

    def evaluation(self) -> list[Episode]:
        """Rows that are judged."""

    def pool(self) -> list[Episode]:
        """Rows with a completion, which demonstrations are drawn from."""

    def picker(self, k: int, mode: str | None = None, seed: int = 42) -> Picker:
        """Chooses k demonstrations; mode: default: `demonstration_mode`."""

    def show(
        self, episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
    ) -> Prompt:
        """The prompt of `episode` behind these demonstrations and this system instruction."""
