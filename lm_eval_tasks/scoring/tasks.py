"""One record -> one verdict, for each task of the `score` command.

A task offers `metrics` (the names of its accuracies, the main one first), `judge(record)`, `failed(error)`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lm_eval_tasks.boxed import last_boxed
from lm_eval_tasks.datasets import DATA_DIR_VARIABLE
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring import csqa, gsm8k, ifeval, math, rlvr
from lm_eval_tasks.scoring.answers import AnswerVerdict
from lm_eval_tasks.scoring.diagnostics import Flags, flag
from lm_eval_tasks.scoring.index import Prompt, PromptIndex
from lm_eval_tasks.scoring.records import Record
from lm_eval_tasks.scoring.thinking import split_thinking

TASKS = ("ifeval", "rlvr", "gsm8k", "csqa", "math")


@dataclass(frozen=True, slots=True)
class Judged:
    """What is kept of one response.

    Attributes:
        verdict: Its line of the verdicts file, but for `row`.
        scores: Per metric the sum and the number of its observations (instructions; else one).
        cluster: What names the question; None: the response stands alone.
        flags: Diagnostics; None for a malformed row.
        response_tokens: Length in tokens, if known.
        types: (instruction id, strict, loose) per instruction; IFEval only.
        timed_out: Whether verification was cut short; MATH only.
    """

    verdict: Mapping[str, Any]
    scores: Mapping[str, tuple[float, int]]
    cluster: str | None = None
    flags: Flags | None = None
    response_tokens: int | None = None
    types: tuple[tuple[str, bool, bool], ...] = ()
    timed_out: bool = False


class Task(Protocol):
    """What the command needs of a task."""

    metrics: tuple[str, ...]

    def judge(self, record: Record) -> Judged:
        """Score one response; raises `UserError` where its row is malformed."""

    def failed(self, error: str) -> Judged:
        """What stands for a malformed row: a failure."""


def make_task(name: str, data: Path | None) -> Task:
    """The task called `name`.

    Args:
        name: One of `TASKS`.
        data: IFEval's prompts; None: those of the folder that `ICL_DATA_DIR` names, if it is set.

    Raises:
        UserError: unknown name, unusable data file.
    """
    if name == "ifeval":
        folder = os.environ.get(DATA_DIR_VARIABLE)
        if data is None and folder:
            data = Path(folder).expanduser() / "ifeval" / "test.jsonl"
        return IFEvalTask(PromptIndex(data) if data else None)
    if name == "rlvr":
        return RlvrTask()
    if name in ("gsm8k", "csqa", "math"):
        return AnswerTask(name)
    raise UserError(f"unknown task {name!r}; one of: {', '.join(TASKS)}.")


@dataclass
class IFEvalTask:
    """IFEval; `index` finds the instructions of responses whose rows do not carry them."""

    index: PromptIndex | None
    metrics: tuple[str, ...] = field(
        default=(
            "prompt_level_strict_acc",
            "inst_level_strict_acc",
            "prompt_level_loose_acc",
            "inst_level_loose_acc",
        ),
        init=False,
    )

    def judge(self, record: Record) -> Judged:
        """See `Task`."""
        prompt = self._prompt(record.fields)
        thinking = split_thinking(record.response, opened_in_prompt=record.opened_in_prompt)
        verdict = ifeval.check(
            thinking.answer,
            instruction_id_list=prompt.instruction_id_list,
            kwargs=prompt.kwargs,
            prompt=prompt.text,
        )
        strict, loose = verdict.inst_level_strict, verdict.inst_level_loose
        return Judged(
            _ifeval_verdict(prompt.key, strict, loose, None),
            self._scores(strict, loose),
            cluster=str(prompt.key),
            flags=flag(record.response, thinking, truncated=record.truncated),
            response_tokens=record.response_tokens,
            types=tuple(zip(prompt.instruction_id_list, strict, loose, strict=True)),
        )

    def failed(self, error: str) -> Judged:
        """A failed prompt, and, since its instructions are not known, one failed instruction."""
        return Judged(_ifeval_verdict(None, (), (), error), self._scores((False,), (False,)))

    def _scores(self, strict: tuple[bool, ...], loose: tuple[bool, ...]) -> dict[str, tuple[float, int]]:
        n = len(strict)
        sums = ((all(strict), 1), (sum(strict), n), (all(loose), 1), (sum(loose), n))
        return dict(zip(self.metrics, sums, strict=True))

    def _prompt(self, fields: Mapping[str, Any]) -> Prompt:
        ids, kwargs = fields.get("instruction_id_list"), fields.get("kwargs")
        if ids is not None and kwargs is not None:
            if not isinstance(ids, list | tuple):
                raise UserError(f"field 'instruction_id_list' must be a list, not {ids!r:.60}.")
            key = fields.get("key", fields.get("id"))
            return Prompt(key, str(fields.get("prompt", "")), tuple(ids), kwargs)
        if self.index is None:
            raise UserError(
                "the row has no 'instruction_id_list' and 'kwargs': name the file of google/IFEval with "
                f"--data, or its folder with {DATA_DIR_VARIABLE}."
            )
        if fields.get("key") is not None:
            return self.index.by_key(fields["key"])
        if isinstance(fields.get("prompt"), str):
            return self.index.by_text(fields["prompt"])
        raise UserError("needs a field 'key' or 'prompt'.")


def _ifeval_verdict(
    key: Any, strict: tuple[bool, ...], loose: tuple[bool, ...], error: str | None
) -> dict[str, Any]:
    return {
        "key": key,
        "inst_level_strict": list(strict),
        "inst_level_loose": list(loose),
        "prompt_level_strict": error is None and all(strict),
        "prompt_level_loose": error is None and all(loose),
        "error": error,
    }


class RlvrTask:
    """RLVR-IFeval: `ground_truth` in the row."""

    metrics: tuple[str, ...] = ("reward",)

    def judge(self, record: Record) -> Judged:
        """See `Task`."""
        if record.fields.get("ground_truth") is None:
            raise UserError("needs a field 'ground_truth'.")
        verdict = rlvr.score(
            record.response, record.fields["ground_truth"], opened_in_prompt=record.opened_in_prompt
        )
        thinking = split_thinking(record.response, opened_in_prompt=record.opened_in_prompt)
        return Judged(
            {"reward": verdict.reward, "reason": verdict.reason, "error": None},
            {"reward": (verdict.reward, 1)},
            cluster=record.cluster,
            flags=flag(record.response, thinking, truncated=record.truncated),
            response_tokens=record.response_tokens,
        )

    def failed(self, error: str) -> Judged:
        """See `Task`."""
        return Judged({"reward": 0.0, "reason": None, "error": error}, {"reward": (0.0, 1)})


class AnswerTask:
    """GSM8K, CSQA and MATH: one right answer, `target`, in the row."""

    def __init__(self, name: str) -> None:
        self._name = name
        # Of MATH's two numbers the verified one is the usual one.
        self.metrics: tuple[str, ...] = (
            ("flexible_acc", "strict_acc") if name == "math" else ("strict_acc", "flexible_acc")
        )

    def judge(self, record: Record) -> Judged:
        """See `Task`."""
        target = record.fields.get("target")
        if not isinstance(target, str):
            raise UserError(f"field 'target' must be text, not {target!r:.60}.")
        verdict = self._score(record, target)
        thinking = split_thinking(record.response, opened_in_prompt=record.opened_in_prompt)
        no_answer = verdict.no_answer
        return Judged(
            {"strict": verdict.strict, "flexible": verdict.flexible, "answer": verdict.answer, "error": None},
            {"strict_acc": (verdict.strict, 1), "flexible_acc": (verdict.flexible, 1)},
            cluster=record.cluster,
            flags=flag(record.response, thinking, no_answer=no_answer, truncated=record.truncated),
            response_tokens=record.response_tokens,
            timed_out=verdict.timed_out,
        )

    def failed(self, error: str) -> Judged:
        """See `Task`."""
        return Judged(
            {"strict": False, "flexible": False, "answer": None, "error": error},
            dict.fromkeys(self.metrics, (0.0, 1)),
        )

    def _score(self, record: Record, target: str) -> AnswerVerdict:
        opened = record.opened_in_prompt
        if self._name == "gsm8k":
            return gsm8k.score(record.response, target, opened_in_prompt=opened)
        if self._name == "csqa":
            choices = _choices(record.fields.get("choices"))
            return csqa.score(record.response, target.strip(), choices, opened_in_prompt=opened)
        # lm-eval's MATH tasks log whole solutions as targets.
        return math.score(record.response, last_boxed(target) or target, opened_in_prompt=opened)


def _choices(value: Any) -> list[str]:
    """The options' texts, from a list or from the hub's `{"label": [...], "text": [...]}`."""
    texts = value.get("text") if isinstance(value, Mapping) else value
    if texts is None:
        return []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UserError(f"field 'choices' must be a list of texts, not {value!r:.60}.")
    return texts
