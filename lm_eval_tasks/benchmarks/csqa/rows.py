"""Rows of CommonsenseQA -> episodes."""

from collections.abc import Mapping
from typing import Any

from lm_eval_tasks.benchmarks.csqa.letters import LETTERS
from lm_eval_tasks.benchmarks.definition import document
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import text_field

_FORMAT = "{question}\n{choices}\n\nReply with the letter of the best choice, in the form: Answer: <letter>"


def parse_csqa(row: Mapping[str, Any], id: str, where: str) -> Episode:
    """`question`, `choices` {label, text}, `answerKey` (a label; empty in the unlabelled test split)."""
    choices = row.get("choices")
    if not isinstance(choices, Mapping) or not choices.get("label") or not choices.get("text"):
        raise UserError(f"{where}: field 'choices' must hold lists 'label' and 'text', not {choices!r:.80}.")
    by_label = dict(zip(choices["label"], choices["text"], strict=False))
    if tuple(sorted(by_label)) != tuple(LETTERS):
        raise UserError(f"{where}: field 'choices' must be labelled A to E, not {sorted(by_label)}.")
    key = text_field(row, "answerKey", where)
    if key not in by_label:
        raise UserError(f"{where}: field 'answerKey' is {key!r}, not one of A to E.")
    texts = [str(by_label[letter]) for letter in LETTERS]
    lines = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, texts, strict=True))
    question = text_field(row, "question", where)
    return Episode(
        source="csqa",
        id=id,
        prompt=({"role": "user", "content": _FORMAT.format(question=question, choices=lines)},),
        question=question,
        completion=f"Answer: {key}",
        reference={"target": key, "choices": texts},
        stratum=key,
    )


def csqa_document(episode: Episode) -> dict[str, Any]:
    """A row as the harness logs it, with what the multiple-choice task compares."""
    return document(episode) | {
        "answer_choices": [f"Answer: {letter}" for letter in LETTERS],
        "answer_index": LETTERS.index(episode.reference["target"]),
    }
