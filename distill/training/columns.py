"""A user's data set -> token rows: TRL's columns, with the teacher's prompt beside the student's.

| column | content |
|---|---|
| `prompt` | what the student reads: text, or chat messages |
| `completion` | the answer: text, or one assistant message |
| `teacher_prompt` | what the teacher reads in the prompt's place |
| `tools`, `chat_template_kwargs` | for the chat template, as in TRL; optional |

or, already tokenised, `prompt_ids`, `completion_ids` (with the token that ends the turn) and
`teacher_prompt_ids`. Other columns are left out.
"""

import json
from collections.abc import Mapping
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from distill.encoding.encode import encode_answer, encode_prompt
from distill.encoding.token_rows import Budgets
from lm_eval_tasks.errors import UserError

_TEXT = ("prompt", "completion", "teacher_prompt")
_IDS = ("prompt_ids", "completion_ids", "teacher_prompt_ids")
_KEPT = ("id", *_IDS, "demonstrations", "length")


def token_rows(
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    *,
    budgets: Budgets,
    name: str = "train_dataset",
    num_proc: int | None = None,
) -> tuple[Dataset, int]:
    """The data set as rows of `distill.encoding.token_rows.Row`, and how many exceeded a budget.

    Args:
        dataset: With one of the two sets of columns.
        tokenizer: The student's, which is the teacher's as well.
        budgets: Tokens of prompt and answer; a row that exceeds one is left out, never cut.
        name: What messages call the data set.
        num_proc: Processes that tokenise.

    Raises:
        UserError: columns are missing, a value is of a wrong kind, or no row is left.
    """
    columns = dataset.column_names
    if set(_KEPT) <= set(columns):
        return dataset, 0  # rows of this package, which fit their budgets
    tokenised = [column for column in _IDS if column in columns]
    wanted = _IDS if tokenised else _TEXT
    missing = [column for column in wanted if column not in columns]
    if missing:
        raise UserError(
            f"{name}: column {', '.join(missing)} is missing (it has {', '.join(columns)}). Give "
            f"{', '.join(_TEXT)} (text or messages), or {', '.join(_IDS)} (token ids)."
        )
    encode = _from_ids if tokenised else _from_text
    rows = dataset.map(
        encode,
        with_indices=True,
        fn_kwargs={"name": name} | ({} if tokenised else {"tokenizer": tokenizer}),
        remove_columns=[column for column in columns if column not in _KEPT],
        num_proc=num_proc,
        desc=f"{name}: tokenising",
    )
    fitting = rows.filter(_fits, fn_kwargs={"student": budgets.student, "teacher": budgets.teacher})
    if not len(fitting):
        raise UserError(
            f"{name}: no row is left to train on: all {len(rows)} exceed max_length ({budgets.student}) or "
            f"the teacher's budget ({budgets.teacher}). Raise them."
        )
    return fitting, len(rows) - len(fitting)


def _from_text(
    example: Mapping[str, Any], index: int, *, name: str, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any]:
    where = f"{name} row {index}"
    tools = example.get("tools")
    options = {
        "tools": json.loads(tools) if isinstance(tools, str) else tools,
        **_thinking(example.get("chat_template_kwargs"), where),
    }
    prompt = _prompt(example["prompt"], f"{where}: column 'prompt'")
    teacher = _prompt(example["teacher_prompt"], f"{where}: column 'teacher_prompt'")
    answer = _completion(example["completion"], f"{where}: column 'completion'")
    return _row(
        example.get("id", str(index)),
        encode_prompt(tokenizer, prompt, **options),
        encode_answer(tokenizer, prompt, answer, **options),
        encode_prompt(tokenizer, teacher, **options),
    )


def _from_ids(example: Mapping[str, Any], index: int, *, name: str) -> dict[str, Any]:
    for column in _IDS:
        if not example[column]:
            raise UserError(f"{name} row {index}: column {column!r} is empty; every row needs tokens there.")
    return _row(example.get("id", str(index)), *(example[column] for column in _IDS))


def _row(id: Any, prompt: list[int], completion: list[int], teacher_prompt: list[int]) -> dict[str, Any]:
    return {
        "id": str(id),
        "prompt_ids": prompt,
        "completion_ids": completion,
        "teacher_prompt_ids": teacher_prompt,
        "demonstrations": 0,
        "length": len(prompt) + len(completion),
    }


def _fits(row: Mapping[str, Any], *, student: int | None, teacher: int | None) -> bool:
    answer = len(row["completion_ids"])
    within = student is None or len(row["prompt_ids"]) + answer <= student
    return within and (teacher is None or len(row["teacher_prompt_ids"]) + answer <= teacher)


def _prompt(value: Any, where: str) -> Any:
    """Text, or messages without the columns that Arrow has filled in."""
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, list) or not value or not all(_is_message(message) for message in value):
        raise UserError(
            f"{where} must be text or a list of messages with role and content, not {value!r:.60}."
        )
    return [{key: entry for key, entry in message.items() if entry is not None} for message in value]


def _completion(value: Any, where: str) -> str:
    if isinstance(value, list) and len(value) == 1 and _is_message(value[0]):
        value = value[0]["content"]
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where} must be text or one assistant message, not {value!r:.60}.")
    return value


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("role"), str) and "content" in value


def _thinking(options: Any, where: str) -> dict[str, Any]:
    """`enable_thinking` out of the template's arguments; no other is evaluated with."""
    given = {key: value for key, value in (options or {}).items() if value is not None}
    if unknown := set(given) - {"enable_thinking"}:
        raise UserError(
            f"{where}: column 'chat_template_kwargs' has {sorted(unknown)}; give enable_thinking alone."
        )
    return given
