"""Responses of any model -> IFEval-like training data: only what verifiably keeps all its constraints.

Rejection sampling for SFT and distillation, written in the schema of argilla/ifeval-like-data, so that
`<folder>/ifeval/train.jsonl` is read back as the training split of the data folder `<folder>`.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lm_eval_tasks.benchmarks.ifeval.rows import parse_ifeval
from lm_eval_tasks.benchmarks.ifeval.scorer import IFEvalVerdict, check
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_json_lines, write_text
from lm_eval_tasks.scoring.thinking import split_thinking


@dataclass(slots=True)
class Acceptance:
    """What became of the responses.

    Attributes:
        judged: Responses held against their prompts' instructions.
        kept: Rows written.
        duplicates: Compliant responses that a prompt had already.
        no_answer: Responses that are null, empty, or nothing but thinking; they count as judged.
        unmatched: Responses to no known prompt; they do not.
        by_instruction: Instruction id -> (followed, judged), strict.
    """

    judged: int = 0
    kept: int = 0
    duplicates: int = 0
    no_answer: int = 0
    unmatched: int = 0
    by_instruction: dict[str, tuple[int, int]] = field(default_factory=lambda: defaultdict(lambda: (0, 0)))

    def add(self, episode: Episode, verdict: IFEvalVerdict) -> None:
        """Count one judged response."""
        self.judged += 1
        for name, followed in zip(
            episode.reference["instruction_id_list"], verdict.inst_level_strict, strict=True
        ):
            before = self.by_instruction[name]
            self.by_instruction[name] = (before[0] + followed, before[1] + 1)

    def __str__(self) -> str:
        """A table of acceptance rates, the hardest instruction first."""
        counts = sorted(self.by_instruction.items(), key=lambda item: (item[1][0] / item[1][1], item[0]))
        lines = [f"{'instruction':50} followed  judged    rate"]
        lines += [
            f"{name:50} {followed:8} {judged:7} {followed / judged:7.1%}"
            for name, (followed, judged) in counts
        ]
        return "\n".join(
            [
                *lines,
                f"kept {self.kept} of {self.judged} responses; {self.duplicates} duplicates; "
                f"{self.no_answer} without an answer; {self.unmatched} to unknown prompts",
            ]
        )


def make_ifeval(prompts: Path, responses: Path, output: Path) -> Acceptance:
    """Judge `responses` and write the compliant ones.

    Thinking is split off; the answer that was judged is what is written.

    Args:
        prompts: JSON lines with `prompt`, `instruction_id_list`, `kwargs` and, optionally, `key`.
        responses: JSON lines with `response`, and `prompt` or `key` to say what it answers; a prompt may have
            several.
        output: JSON lines in argilla's schema; replaced as a whole.

    Raises:
        UserError: a file or row that cannot be read, or no compliant response; nothing is written then.
    """
    episodes = _read_prompts(prompts)
    counts = Acceptance()
    rows: dict[tuple[str, str], str] = {}
    for where, row in tqdm(list(read_json_lines(responses)), desc="responses", unit="row", disable=None):
        episode = _asked(episodes, row, where)
        if episode is None:
            counts.unmatched += 1
            continue
        answer = _answer(row, where)
        verdict = _check(answer, episode, where)
        counts.add(episode, verdict)
        counts.no_answer += not answer.strip()
        # Some constraints hold for an empty text; it is no training row.
        if not verdict.prompt_level_strict or not answer.strip():
            continue
        counts.duplicates += (episode.question, answer) in rows
        rows[episode.question, answer] = json.dumps(_row(episode, answer, verdict), ensure_ascii=False)
    counts.kept = len(rows)
    if not rows:
        raise UserError(
            f"{responses}: no response keeps all its constraints, so nothing is written.\n{counts}"
        )
    write_text(output, "\n".join(rows.values()) + "\n")
    return counts


def _read_prompts(path: Path) -> dict[tuple[str, str], Episode]:
    """Episodes by `("prompt", text)` and, where the row has one, `("key", text)`."""
    episodes: dict[tuple[str, str], Episode] = {}
    for index, (where, row) in enumerate(read_json_lines(path)):
        episode = parse_ifeval(row, str(index), where)
        _check("", episode, where)
        names = [("prompt", episode.question)]
        if row.get("key") is not None:
            names.append(("key", str(row["key"])))
        for name in names:
            if name in episodes:
                raise UserError(
                    f"{where}: the {name[0]} {name[1]!r:.80} occurred before. Give each prompt once."
                )
            episodes[name] = episode
    if not episodes:
        raise UserError(f"{path} holds no prompt.")
    return episodes


def _asked(episodes: Mapping[tuple[str, str], Episode], row: Mapping[str, Any], where: str) -> Episode | None:
    if row.get("prompt") is not None:
        return episodes.get(("prompt", str(row["prompt"])))
    if row.get("key") is not None:
        return episodes.get(("key", str(row["key"])))
    raise UserError(f"{where}: needs a field 'prompt' or 'key' that says what the response answers.")


def _answer(row: Mapping[str, Any], where: str) -> str:
    response = row.get("response")
    if response is not None and not isinstance(response, str):
        raise UserError(f"{where}: field 'response' must be text or null, not {response!r:.80}.")
    return split_thinking(response or "").answer


def _check(answer: str, episode: Episode, where: str) -> IFEvalVerdict:
    try:
        return check(
            answer,
            instruction_id_list=episode.reference["instruction_id_list"],
            kwargs=episode.reference["kwargs"],
            prompt=episode.question,
        )
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _row(episode: Episode, answer: str, verdict: IFEvalVerdict) -> dict[str, Any]:
    return {
        "key": int(episode.id) if episode.id.isdecimal() else episode.id,
        "prompt": episode.question,
        "response": answer,
        "instruction_id_list": episode.reference["instruction_id_list"],
        "kwargs": json.loads(episode.reference["kwargs"]),
        "prompt_level_strict_acc": verdict.prompt_level_strict,
        "inst_level_strict_acc": list(verdict.inst_level_strict),
        "prompt_level_loose_acc": verdict.prompt_level_loose,
        "inst_level_loose_acc": list(verdict.inst_level_loose),
    }
