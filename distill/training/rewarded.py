"""Rows and rewards of GRPO on any source of episodes: the scorer that evaluates a task rewards it.

The policy reads, token for token, what an evaluation asks: the bare prompt, or the prompted one where a
context is named. So prompts are handed to TRL as rendered text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import AutoConfig, PreTrainedTokenizerBase

from distill.encoding.encode import encode_prompt, render_prompt
from distill.training.judgeable import check_judged, rows_to_train
from distill.training.task_arguments import TaskArguments
from lm_eval_tasks.episodes import Episode, Picker, Source, fingerprint
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.harness.measured import judgement
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.prompting.plain_text import ANSWER
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.scoring.thinking import opened_by
from lm_eval_tasks.scoring.thinking_tags import tags_of
from lm_eval_tasks.sources.other_inputs import OtherInputs
from lm_eval_tasks.sources.rows_source import JsonLinesSource
from lm_eval_tasks.sources.unjudged import refuse, unjudged


@dataclass(frozen=True, slots=True)
class Asked:
    """A row as the policy reads it.

    Attributes:
        episode: The row.
        text: Its prompt; the tokenizer makes of it what an evaluation's prompt is made of.
        at: What its scorer is told beside the answer.
    """

    episode: Episode
    text: str
    at: Circumstances


@dataclass(frozen=True, slots=True)
class RewardedRows:
    """What GRPO trains on.

    Attributes:
        source: Judges the answers.
        train: Rows to train on.
        evaluation: The source's evaluated rows, where they are wanted.
        record: What they are, ready for JSON.
    """

    source: Source
    train: list[Asked]
    evaluation: list[Asked]
    record: dict[str, Any]


def load_rewarded(
    args: TaskArguments,
    tokenizer: PreTrainedTokenizerBase,
    *,
    data: str | None,
    num_train: int = -1,
    num_eval: int = 0,
    enable_thinking: bool = False,
) -> RewardedRows:
    """Open a source, and see that its rows can be asked and judged.

    Args:
        args: Which rows, and what is read before them.
        tokenizer: The model's.
        data: See `TaskSpec`.
        num_train: Keep no more training rows than this; -1: all.
        num_eval: The same of evaluated rows.
        enable_thinking: Given to the chat template.

    Raises:
        UserError: the source cannot be opened, its scorer judges no written answers, a row has no label that
            its metric needs, or no row is left.
    """
    for name, limit in (("num_train_examples", num_train), ("num_eval_examples", num_eval)):
        usable = limit == -1 or limit > 0 or (limit == 0 and name == "num_eval_examples")
        check(usable, name, limit, "give a positive number, or -1 for all rows")
    spec = args.spec(data)
    source = spec.open(chat=tokenizer.chat_template is not None)
    if isinstance(source, OtherInputs):
        raise UserError(
            f"inputs: the scorer of {source.name} judges rows of its own, not those of {args.inputs}. Give "
            f"the file as the task, and what judges it: --task {args.inputs} --metric NAME."
        )
    context = spec.context(source)
    picker = context.picker(source)
    rows, counts = rows_to_train(source, picker, strict=args.strict)
    evaluated = _head(source.evaluation(), num_eval)
    if args.strict:
        refuse(source.name, unjudged(source, evaluated), len(evaluated), option="strict")
    rows = _head(rows, num_train)
    for member in source.members:
        check_judged(source, [row for row in (*rows, *evaluated) if row.source == member.name])
    render = _Renderer(source, context, picker, tokenizer, enable_thinking=enable_thinking)
    train = [render(row) for row in rows]
    record = {
        "task": source.name,
        "source": getattr(source, "data", None),
        "metric": _metric_of(source),
        "fingerprint": fingerprint(rows),
        "context": None if context.is_empty else context.to_json(),
        "enable_thinking": enable_thinking,
        "train": len(rows),
        "evaluation": len(evaluated),
        "left_out": counts,
    }
    return RewardedRows(source, train, [render(row) for row in evaluated], record)


def check_lengths(rows: RewardedRows, tokenizer: PreTrainedTokenizerBase, model: str, answer: int) -> None:
    """Refuse prompts that leave the model no room for an answer.

    Args:
        rows: The longest of them, by characters, is measured.
        tokenizer: The model's.
        model: Its folder or hub name.
        answer: Tokens of the longest answer.

    Raises:
        UserError: names the row.
    """
    longest = getattr(AutoConfig.from_pretrained(model).get_text_config(), "max_position_embeddings", None)
    row = max((*rows.train, *rows.evaluation), key=lambda row: len(row.text))
    tokens = len(tokenizer(row.text)["input_ids"])
    if longest is not None and tokens + answer > longest:
        raise UserError(
            f"{rows.source.name}: the prompt of row {row.episode.id!r} has {tokens} tokens, and with "
            f"max_completion_length {answer} it exceeds the {longest} that the model reads. Lower "
            "max_completion_length or num_fewshot, or shorten what is read before the question."
        )


def build_task_reward(source: Source, rows: Sequence[Asked]) -> Callable[..., list[float]]:
    """The reward function of GRPO: the score that an evaluation of the source gives the completion.

    The data set's column `row` says which of `rows` was asked. The share of completions that their scorer
    could not judge, which earn 0, is logged as `problem_rate`, and why beside the completions.
    """

    def task_reward(
        completions: Sequence[str],
        row: Sequence[int],
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float]:
        found = [
            judgement(source, rows[place].episode, completion, rows[place].at)
            for completion, place in zip(completions, row, strict=True)
        ]
        problems = [one.error or "" for one in found]
        if log_metric is not None:
            log_metric("problem_rate", sum(map(bool, problems)) / max(len(problems), 1))
        if log_extra is not None:
            log_extra("problem", problems)
        return [one.score for one in found]

    return task_reward


class _Renderer:
    """Rows as the policy reads them."""

    def __init__(
        self,
        source: Source,
        context: Context,
        picker: Picker,
        tokenizer: PreTrainedTokenizerBase,
        *,
        enable_thinking: bool,
    ) -> None:
        self._source, self._context, self._picker, self._tokenizer = source, context, picker, tokenizer
        self._tags = tags_of(tokenizer)
        self._enable_thinking = enable_thinking
        # TRL's tokenizer writes it before a text as well, where it writes one at all.
        first = tokenizer("")["input_ids"][:1]
        self._bos = tokenizer.bos_token if first and first == [tokenizer.bos_token_id] else None

    def __call__(self, row: Episode) -> Asked:
        options: dict[str, Any] = {
            "enable_thinking": self._enable_thinking,
            "tools": row.tools,
            "label": row.label,
        }
        prompt = self._prompt(row)
        text = render_prompt(self._tokenizer, prompt, **options)
        opened = opened_by(text, self._tags) is not None
        begun = "" if self._tokenizer.chat_template else ANSWER
        text = text.removeprefix(self._bos) if self._bos else text
        if self._tokenizer(text)["input_ids"] != encode_prompt(self._tokenizer, prompt, **options):
            raise UserError(
                f"{row.source}, row {row.id!r}: the tokenizer adds special tokens to the prompt that an "
                "evaluation does not ask with; GRPO cannot train what is evaluated. Use another tokenizer."
            )
        return Asked(row, text, Circumstances(opens_thinking=opened, tags=self._tags, begun=begun))

    def _prompt(self, row: Episode) -> Any:
        if self._context.is_empty:
            return self._source.show(row)
        shown = self._picker.pick(row) if self._context.num_fewshot else ()
        return self._context.prompt(self._source, row, shown)


def _metric_of(source: Source) -> str | None:
    """What judges rows of one's own; other sources say it by their name."""
    return source.metric.spec if isinstance(source, JsonLinesSource) and source.metric else None


def _head(rows: list[Episode], limit: int) -> list[Episode]:
    return rows if limit == -1 else rows[:limit]
