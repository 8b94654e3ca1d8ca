r"""Rows of the hub data sets -> typed `Example`.

One parser per benchmark and role. A row of GSM8K, as the hub has it::

    {"question": "Weng earns $12 an hour ...", "answer": "She earns <<12/60=0.2>>0.2 a minute.\n#### 10"}

Every parser raises `UserError` naming the place of the row and the field that is wrong.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lm_eval_tasks.boxed import last_boxed
from lm_eval_tasks.errors import UserError

_CALCULATOR = re.compile(r"<<.*?>>")
LETTERS = ("A", "B", "C", "D", "E")


@dataclass(frozen=True, slots=True)
class Example:
    """One question of a benchmark.

    Attributes:
        benchmark: `gsm8k`, `csqa`, `math` or `ifeval`.
        id: The row's name within its split: IFEval's `key` where there is one, else the row's number.
        question: What is asked, without answer-format instructions.
        completion: The gold answer as an assistant would write it; None where the data set has none
            (IFEval's evaluation prompts).
        target: The short gold answer that scorers compare with; empty for IFEval.
        choices: The options' texts in letter order; CSQA only.
        instruction_id_list: IFEval's constraint names; IFEval only.
        instruction_kwargs: One mapping per constraint, without null entries; IFEval only.
    """

    benchmark: str
    id: str
    question: str
    completion: str | None
    target: str = ""
    choices: tuple[str, ...] = ()
    instruction_id_list: tuple[str, ...] = ()
    instruction_kwargs: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)


def fingerprint(examples: Iterable[Example]) -> str:
    """A SHA-256 (first 16 hex digits) over what the examples say, in order."""
    digest = hashlib.sha256()
    for example in examples:
        record = [
            example.benchmark, example.question, example.completion, example.target, example.choices,
            example.instruction_id_list, [dict(kwargs) for kwargs in example.instruction_kwargs],
        ]  # fmt: skip
        digest.update(json.dumps(record, ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def same_question(question: str) -> str:
    """The form in which questions are the same: case, white space and Unicode composition do not count."""
    return " ".join(unicodedata.normalize("NFC", question).casefold().split())


def parse_gsm8k(row: Mapping[str, Any], id: str, where: str) -> Example:
    """`question`, `answer` (worked solution, last line `#### N`; calculator annotations are removed)."""
    answer = _text(row, "answer", where)
    solution, marker, target = answer.rpartition("####")
    if not marker or not target.strip():
        raise UserError(f"{where}: field 'answer' has no final line '#### <number>': {answer[-60:]!r}.")
    worked = _CALCULATOR.sub("", solution).strip()
    target = target.strip()
    return Example("gsm8k", id, _text(row, "question", where), f"{worked}\n#### {target}", target)


def parse_csqa(row: Mapping[str, Any], id: str, where: str) -> Example:
    """`question`, `choices` {label, text}, `answerKey` (a label; empty in the unlabelled test split)."""
    choices = row.get("choices")
    if not isinstance(choices, Mapping) or not choices.get("label") or not choices.get("text"):
        raise UserError(f"{where}: field 'choices' must hold lists 'label' and 'text', not {choices!r:.80}.")
    by_label = dict(zip(choices["label"], choices["text"], strict=False))
    if tuple(sorted(by_label)) != LETTERS:
        raise UserError(f"{where}: field 'choices' must be labelled A to E, not {sorted(by_label)}.")
    key = _text(row, "answerKey", where)
    if key not in by_label:
        raise UserError(f"{where}: field 'answerKey' is {key!r}, not one of A to E.")
    texts = tuple(str(by_label[letter]) for letter in LETTERS)
    return Example("csqa", id, _text(row, "question", where), f"Answer: {key}", key, choices=texts)


def parse_math(row: Mapping[str, Any], id: str, where: str) -> Example:
    r"""`problem` and `solution` with a final \boxed{}; or `problem` and `answer` (MATH-500)."""
    solution = _text(row, "solution", where) if row.get("solution") is not None else None
    if row.get("answer") is not None:
        target: str | None = _text(row, "answer", where)
    else:
        target = last_boxed(solution) if solution is not None else None
    if target is None:
        raise UserError(
            f"{where}: needs a field 'answer', or a field 'solution' whose last \\boxed{{}} is the answer."
        )
    return Example("math", id, _text(row, "problem", where), solution, target)


def parse_ifeval(row: Mapping[str, Any], id: str, where: str) -> Example:
    """`prompt`, `instruction_id_list`, `kwargs`; training rows (argilla) add `response`."""
    ids = row.get("instruction_id_list")
    if not isinstance(ids, list) or not ids or not all(isinstance(name, str) for name in ids):
        raise UserError(f"{where}: field 'instruction_id_list' must be a list of names, not {ids!r:.80}.")
    kwargs = _instruction_kwargs(row.get("kwargs"), where)
    if len(kwargs) != len(ids):
        raise UserError(f"{where}: field 'kwargs' has {len(kwargs)} entries for {len(ids)} instructions.")
    response = _text(row, "response", where) if row.get("response") is not None else None
    return Example(
        "ifeval", str(row.get("key", id)), _text(row, "prompt", where), response,
        instruction_id_list=tuple(ids), instruction_kwargs=kwargs,
    )  # fmt: skip


def is_compliant(row: Mapping[str, Any]) -> bool:
    """Whether an IFEval-like training row is marked as keeping all its constraints."""
    return row.get("prompt_level_strict_acc", True) is True


def _instruction_kwargs(value: Any, where: str) -> tuple[Mapping[str, Any], ...]:
    """A list of mappings, or the same as one JSON string; nulls are dropped, zero and false stay."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise UserError(f"{where}: field 'kwargs' is not readable as JSON ({error}).") from None
    if not isinstance(value, list) or not all(isinstance(entry, Mapping | None) for entry in value):
        raise UserError(f"{where}: field 'kwargs' must be a list of objects, not {value!r:.80}.")
    return tuple({k: v for k, v in (entry or {}).items() if v is not None} for entry in value)


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: field {name!r} must be non-empty text, not {value!r:.80}.")
    return value
