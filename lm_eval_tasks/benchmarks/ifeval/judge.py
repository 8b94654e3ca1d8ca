"""IFEval's responses in a file, judged."""

import os
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.prompt_index import IndexedPrompt, PromptIndex
from lm_eval_tasks.benchmarks.ifeval.scorer import check
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import DATA_DIR_VARIABLE
from lm_eval_tasks.scorefile.judging import Judged
from lm_eval_tasks.scorefile.records import Record
from lm_eval_tasks.scoring.diagnostics import flag
from lm_eval_tasks.scoring.names import PARTS


def make_ifeval_judge(data: Path | None) -> "IFEvalJudge":
    """The judge.

    Args:
        data: The prompts; None: those of the folder that `ICL_DATA_DIR` names, if it is set.

    Raises:
        UserError: unusable data file.
    """
    folder = os.environ.get(DATA_DIR_VARIABLE)
    if data is None and folder:
        data = Path(folder).expanduser() / "ifeval" / "test.jsonl"
    return IFEvalJudge(PromptIndex(data) if data else None)


class IFEvalJudge:
    """See `Judge`; `index` finds the instructions of responses whose rows do not carry them."""

    metrics: tuple[str, ...] = (
        "prompt_level_strict_acc",
        "inst_level_strict_acc",
        "prompt_level_loose_acc",
        "inst_level_loose_acc",
    )

    def __init__(self, index: PromptIndex | None) -> None:
        self._index = index

    def judge(self, record: Record) -> Judged:
        """See `Judge`."""
        prompt = self._prompt(record.fields)
        thinking = record.thinking
        verdict = check(
            thinking.answer,
            instruction_id_list=prompt.instruction_id_list,
            kwargs=prompt.kwargs,
            prompt=prompt.text,
        )
        strict, loose = verdict.inst_level_strict, verdict.inst_level_loose
        levels = zip(prompt.instruction_id_list, strict, loose, strict=True)
        return Judged(
            _verdict(prompt.key, strict, loose, None),
            self._scores(strict, loose),
            cluster=str(prompt.key),
            flags=flag(record.response, thinking, truncated=record.truncated),
            response_tokens=record.response_tokens,
            parts=tuple((name, {"strict": one, "loose": other}) for name, one, other in levels),
        )

    def failed(self, error: str) -> Judged:
        """A failed prompt, and, since its instructions are not known, one failed instruction."""
        return Judged(_verdict(None, (), (), error), self._scores((False,), (False,)))

    def about_data(self) -> dict[str, Any]:
        """See `Judge`."""
        if self._index is None:
            return {}
        return {"data": {"prompts": len(self._index), "fingerprint": self._index.fingerprint}}

    def summarise(self, metrics: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
        """See `Judge`."""
        strict = [metrics[name]["value"] for name in self.metrics if "strict" in name]
        mean = None if None in strict else statistics.fmean(strict)
        return {"strict_acc_mean": mean, PARTS: dict(parts)}

    def _scores(self, strict: tuple[bool, ...], loose: tuple[bool, ...]) -> dict[str, tuple[float, int]]:
        n = len(strict)
        sums = ((all(strict), 1), (sum(strict), n), (all(loose), 1), (sum(loose), n))
        return dict(zip(self.metrics, sums, strict=True))

    def _prompt(self, fields: Mapping[str, Any]) -> IndexedPrompt:
        ids, kwargs = fields.get("instruction_id_list"), fields.get("kwargs")
        if ids is not None and kwargs is not None:
            key = fields.get("key", fields.get("id"))
            return IndexedPrompt(key, str(fields.get("prompt", "")), ids, kwargs)
        if self._index is None:
            raise UserError(
                "the row has no 'instruction_id_list' and 'kwargs': name the file of google/IFEval with "
                f"--data, or its folder with {DATA_DIR_VARIABLE}."
            )
        if fields.get("key") is not None:
            return self._index.by_key(fields["key"])
        if isinstance(fields.get("prompt"), str):
            return self._index.by_text(fields["prompt"])
        raise UserError("needs a field 'key' or 'prompt'.")


def _verdict(
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
