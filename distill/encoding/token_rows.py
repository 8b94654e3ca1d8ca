"""Episodes -> rows of token ids that fit their budgets, with every loss counted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from transformers import PreTrainedTokenizerBase

from distill.encoding.encode import encode_answer, encode_prompt
from lm_eval_tasks.episodes import Episode, Prompt
from lm_eval_tasks.errors import UserError

Pick = Callable[[Episode], Sequence[Episode]]
"""The demonstrations of an episode."""

Teach = Callable[[Episode, Sequence[Episode]], Prompt]
"""What the teacher reads of an episode behind these demonstrations."""


class Row(TypedDict):
    """One training row. The answer's ids follow the student's and the teacher's prompt alike.

    Attributes:
        id: The example's id within its split.
        prompt_ids: What the student reads: the bare question.
        teacher_prompt_ids: What the teacher reads: demonstrations and question.
        completion_ids: The answer, end-of-turn token included.
        demonstrations: How many demonstrations the teacher reads.
        length: Tokens of `prompt_ids` and `completion_ids`, for samplers that group rows by length.
    """

    id: str
    prompt_ids: list[int]
    teacher_prompt_ids: list[int]
    completion_ids: list[int]
    demonstrations: int
    length: int


@dataclass(frozen=True, slots=True)
class Budgets:
    """Token limits of prompt and answer together; None: no limit."""

    student: int | None
    teacher: int | None


@dataclass(slots=True)
class RowCounts:
    """What became of the examples.

    Attributes:
        rows: Rows built.
        over_student_budget: Rows dropped because question and answer exceed the student's budget.
        over_teacher_budget: Rows dropped because they exceed the teacher's even without demonstrations.
        rows_with_fewer_demonstrations: Rows whose teacher reads fewer than were picked.
        demonstrations_dropped: Whole demonstrations left out, over all rows.
    """

    rows: int = 0
    over_student_budget: int = 0
    over_teacher_budget: int = 0
    rows_with_fewer_demonstrations: int = 0
    demonstrations_dropped: int = 0

    def __str__(self) -> str:
        """All counts on one line."""
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items())


def build_rows(
    episodes: Iterable[Episode],
    pick: Pick,
    teach: Teach,
    tokenizer: PreTrainedTokenizerBase,
    *,
    budgets: Budgets,
    enable_thinking: bool = False,
    limit: int | None = None,
) -> tuple[list[Row], RowCounts]:
    """Tokenise episodes in order until `limit` rows fit.

    A row whose answer would not fit whole is dropped and counted; nothing is ever cut.

    Args:
        episodes: With completions.
        pick: See `Pick`.
        teach: See `Teach`.
        tokenizer: The student's, which is the teacher's as well.
        budgets: Token limits.
        enable_thinking: Passed to the chat template.
        limit: Rows wanted; None: all.

    Raises:
        UserError: no row fits.
    """
    rows: list[Row] = []
    counts = RowCounts()
    for episode in episodes:
        if limit is not None and len(rows) == limit:
            break
        row = _build_row(episode, pick(episode), teach, tokenizer, budgets, enable_thinking, counts)
        if row is not None:
            rows.append(row)
    counts.rows = len(rows)
    if not rows and limit != 0:
        raise UserError(
            f"no row is left to train on ({counts}). Raise max_length (now {budgets.student}) or "
            f"teacher_max_length (now {budgets.teacher})."
        )
    return rows, counts


def _build_row(
    episode: Episode,
    demonstrations: Sequence[Episode],
    teach: Teach,
    tokenizer: PreTrainedTokenizerBase,
    budgets: Budgets,
    enable_thinking: bool,
    counts: RowCounts,
) -> Row | None:
    if episode.completion is None:
        raise UserError(
            f"{episode.source} {episode.id} has no answer to train on. Give rows with completions, or have "
            "the teacher write them."
        )
    options: dict[str, Any] = {"enable_thinking": enable_thinking, "tools": episode.tools}
    prompt_ids = encode_prompt(tokenizer, episode.prompt, label=episode.label, **options)
    completion_ids = encode_answer(tokenizer, episode.prompt, episode.completion, **options)
    length = len(prompt_ids) + len(completion_ids)
    if budgets.student is not None and length > budgets.student:
        counts.over_student_budget += 1
        return None
    # The last demonstrations go first: what remains is the prompt of a smaller k.
    for kept in range(len(demonstrations), -1, -1):
        teacher = teach(episode, demonstrations[:kept])
        teacher_prompt_ids = encode_prompt(tokenizer, teacher, label=episode.label, **options)
        if budgets.teacher is None or len(teacher_prompt_ids) + len(completion_ids) <= budgets.teacher:
            break
    else:
        counts.over_teacher_budget += 1
        return None
    counts.demonstrations_dropped += len(demonstrations) - kept
    counts.rows_with_fewer_demonstrations += kept < len(demonstrations)
    return Row(
        id=episode.id,
        prompt_ids=prompt_ids,
        teacher_prompt_ids=teacher_prompt_ids,
        completion_ids=completion_ids,
        demonstrations=kept,
        length=length,
    )
