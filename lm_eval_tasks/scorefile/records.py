"""A line of a responses file -> the responses in it, and what they are scored against.

Three layouts are read, recognised by their fields: ours (`{"response": ..., "target": ...}` and the like), a
file of Google's IFEval code (`{"prompt", "response"}`), and lm-evaluation-harness's `samples_*.jsonl`::

    {"doc_id": 0, "doc": {...}, "target": "18", "arguments": ..., "resps": [["#### 18"]], "filter": "none"}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.plain_text import ANSWER
from lm_eval_tasks.scoring.thinking import Thinking, opened_by, split_thinking
from lm_eval_tasks.scoring.thinking_tags import KNOWN_TAGS, Tags, parse_tags


@dataclass(frozen=True, slots=True)
class Record:
    """One response.

    Attributes:
        response: The raw text.
        fields: The row's other fields; for lm-eval's samples those of its `doc`, with `target`.
        cluster: What names the question it answers, where the row says so.
        opened_in_prompt: Whether the prompt ended with an opening tag such as `<think>`.
        truncated: Whether it hit the token limit; None if the row does not say.
        response_tokens: Its length in tokens; None if the row does not say.
        tags: What stands around its reasoning: the row's `think_tags`, else all known ones.
        begun: What the prompt has written of the answer already: `Answer:`, where lm-eval logged a prompt in
            plain text.
    """

    response: str
    fields: Mapping[str, Any]
    cluster: str | None
    opened_in_prompt: bool
    truncated: bool | None
    response_tokens: int | None
    tags: Tags = KNOWN_TAGS
    begun: str = ""

    @property
    def thinking(self) -> Thinking:
        """The response, taken apart."""
        return split_thinking(self.response, opened_in_prompt=self.opened_in_prompt, tags=self.tags)


def parse_line(line: str) -> Mapping[str, Any]:
    """The line's JSON object.

    Raises:
        UserError: it is none.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON ({error}).") from None
    if not isinstance(row, dict):
        raise UserError(f"must be a JSON object, not {type(row).__name__}.")
    return row


def is_repeat(row: Mapping[str, Any], first_filter: str | None) -> bool:
    """Whether lm-eval logged the same responses before, under another of the task's answer filters."""
    return "resps" in row and first_filter is not None and row.get("filter") != first_filter


def read_records(row: Mapping[str, Any]) -> list[Record]:
    """The row's responses; several where lm-eval asked several times (`repeats`).

    Raises:
        UserError: no response, one that is not text, or a field that cannot be used.
    """
    given = row.get("think_tags")
    tags = KNOWN_TAGS if given is None else parse_tags(given, "field 'think_tags'")
    if "resps" in row:
        doc = row.get("doc")
        if not isinstance(doc, Mapping):
            raise UserError(f"field 'doc' must be an object, as lm-eval logs it, not {doc!r:.60}.")
        # lm-eval's own target may be an index or a rendered text; a doc's fields come first for `key`.
        fields = {"target": row.get("target"), **doc}
        identity = row.get("doc_id", doc.get("key", doc.get("id")))
        responses = _sampled(row["resps"])
        prompt = _logged_prompt(row.get("arguments"))
        opened = _opens_thinking(row, prompt, tags)
        begun = ANSWER if prompt.endswith(f"\n\n{ANSWER}") else ""
    else:
        fields = dict(row)
        identity = row.get("key", row.get("id"))
        responses = [_text(row.get("response"), "response")]
        opened, begun = row.get("opened_in_prompt") is True, ""
    cluster = None if identity is None else str(identity)
    truncated, tokens = _truncated(row), _tokens(row)
    return [
        Record(response, fields, cluster, opened, truncated, tokens, tags, begun) for response in responses
    ]


def _sampled(resps: Any) -> list[str]:
    if not isinstance(resps, list) or not resps:
        raise UserError(f"field 'resps' must be a non-empty list, not {resps!r:.60}.")
    repeats = resps[0] if isinstance(resps[0], list) else resps
    if not repeats:
        raise UserError("field 'resps' holds no response.")
    return [_text(response, "resps") for response in repeats]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        hint = " (a log-likelihood task has no text to score)" if isinstance(value, list) else ""
        raise UserError(f"field {name!r} must be text, not {value!r:.60}{hint}.")
    return value


def _opens_thinking(row: Mapping[str, Any], prompt: str, tags: Tags) -> bool:
    """What the row says; else whether its prompt ends with an opening tag.

    Our own tasks log whether the thinking ended, which the text does not show where lm-eval has stripped it.
    """
    said = row.get("unclosed_think", row.get("opened_in_prompt"))
    return said if isinstance(said, bool) else opened_by(prompt, tags) is not None


def _logged_prompt(arguments: Any) -> str:
    """The logged prompt, the first argument of the first request; empty where there is none."""
    while isinstance(arguments, list | dict) and arguments:
        arguments = arguments[0] if isinstance(arguments, list) else next(iter(arguments.values()))
    return arguments if isinstance(arguments, str) else ""


def _truncated(row: Mapping[str, Any]) -> bool | None:
    if isinstance(row.get("truncated"), bool):
        return bool(row["truncated"])
    reason = row.get("finish_reason")
    return reason == "length" if isinstance(reason, str) else None


def _tokens(row: Mapping[str, Any]) -> int | None:
    tokens = row.get("response_tokens")
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None
