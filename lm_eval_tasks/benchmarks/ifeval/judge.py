"""IFEval's responses in a file, judged."""

import os
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.metrics import LEVELS
from lm_eval_tasks.benchmarks.ifeval.prompt_index import IndexedPrompt, PromptIndex
from lm_eval_tasks.benchmarks.ifeval.rows import parse_ifeval
from lm_eval_tasks.benchmarks.ifeval.scorer import check
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.reading import DATA_DIR_VARIABLE
from lm_eval_tasks.scorefile.judging import UNKNOWN_CONSTRAINTS, Judged
from lm_eval_tasks.scorefile.records import Record
from lm_eval_tasks.scoring import constraints
from lm_eval_tasks.scoring.diagnostics import flag
from lm_eval_tasks.scoring.names import PARTS


def make_ifeval_judge(data: Path | None) -> "IFEvalJudge":
    """The judge of IFEval; see `make_instruction_judge`."""
    return make_instruction_judge(data, "ifeval", "google/IFEval", parse_ifeval)


def make_instruction_judge(
    data: Path | None, name: str, dataset: str, parse: Callable[[Mapping[str, Any], str, str], Episode]
) -> "IFEvalJudge":
    """The judge of a benchmark whose rows are in IFEval's schema.

    Args:
        data: The prompts; None: those of the folder that `ICL_DATA_DIR` names, if it is set.
        name: The benchmark's folder in there.
        dataset: What it is called on the hub.
        parse: See `Benchmark`.

    Raises:
        UserError: unusable data file.
    """
    data = data_file(data, name)
    return IFEvalJudge(PromptIndex(data, parse, dataset) if data else None, dataset)


def data_file(data: Path | None, name: str) -> Path | None:
    """`data`, else the benchmark's file in the folder that `ICL_DATA_DIR` names, if it is set."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    return Path(folder).expanduser() / name / "test.jsonl" if data is None and folder else data


class IFEvalJudge:
    """See `Judge`; `index` finds the instructions of responses whose rows do not carry them.

    Ids that nothing defines count as not followed; their verdicts say so.
    """

    metrics: tuple[str, ...] = LEVELS

    def __init__(self, index: PromptIndex | None, dataset: str) -> None:
        self._index, self._dataset = index, dataset

    def judge(self, record: Record) -> Judged:
        """See `Judge`."""
        prompt = self._prompt(record.fields)
        thinking = record.thinking
        verdict = check(
            thinking.answer,
            instruction_id_list=prompt.instruction_id_list,
            kwargs=prompt.kwargs,
            prompt=prompt.text,
            fail_unknown=True,
        )
        strict, loose = verdict.inst_level_strict, verdict.inst_level_loose
        levels = zip(prompt.instruction_id_list, strict, loose, strict=True)
        return Judged(
            _verdict(prompt.key, strict, loose, "; ".join(verdict.unknown) or None),
            self._scores(strict, loose),
            cluster=str(prompt.key),
            flags=flag(record.response, thinking, truncated=record.truncated),
            response_tokens=record.response_tokens,
            parts=tuple((name, {"strict": one, "loose": other}) for name, one, other in levels),
            counts={UNKNOWN_CONSTRAINTS: len(verdict.unknown)} if verdict.unknown else {},
        )

    def failed(self, error: str) -> Judged:
        """A failed prompt, and, since its instructions are not known, one failed instruction."""
        return Judged(_verdict(None, (), (), error), self._scores((False,), (False,)))

    def about_data(self) -> dict[str, Any]:
        """See `Judge`."""
        said = constraints.record()
        if self._index is not None:
            said["data"] = {"prompts": len(self._index), "fingerprint": self._index.fingerprint}
        return said

    def summarise(self, metrics: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
        """See `Judge`."""
        strict = [metrics[name]["value"] for name in LEVELS if "strict" in name]
        mean = None if None in strict else statistics.fmean(strict)
        return {"strict_acc_mean": mean, PARTS: dict(parts)}

    def _scores(self, strict: tuple[bool, ...], loose: tuple[bool, ...]) -> dict[str, tuple[float, int]]:
        n = len(strict)
        sums = ((all(strict), 1), (sum(strict), n), (all(loose), 1), (sum(loose), n))
        return dict(zip(LEVELS, sums, strict=True))

    def _no_data(self) -> UserError:
        return UserError(
            f"the row has no 'instruction_id_list' and 'kwargs': name the file of {self._dataset} with "
            f"--data, or its folder with {DATA_DIR_VARIABLE}."
        )

    def _prompt(self, fields: Mapping[str, Any]) -> IndexedPrompt:
        ids, kwargs = fields.get("instruction_id_list"), fields.get("kwargs")
        if ids is not None and kwargs is not None:
            key = fields.get("key", fields.get("id"))
            return IndexedPrompt(key, str(fields.get("prompt", "")), ids, kwargs)
        if self._index is None:
            raise self._no_data()
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
