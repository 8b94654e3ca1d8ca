"""Rows and rewards of GRPO on any source of episodes: the scorer that evaluates a task rewards it.

The policy reads, token for token, what an evaluation asks: the bare prompt, or the prompted one where a
context is named. So prompts are handed to TRL as rendered text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from transformers import AutoConfig, PreTrainedTokenizerBase

from distill.encoding.encode import encode_prompt, render_prompt
from lm_eval_tasks.episodes import Episode, Source, fingerprint
from lm_eval_tasks.errors import UserError, check
from lm_eval_tasks.harness.measured import judgement
from lm_eval_tasks.prompting.context import GOLD, Context
from lm_eval_tasks.prompting.demonstrations import MODES, without_overlap, without_repeats
from lm_eval_tasks.prompting.plain_text import ANSWER
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.scoring.thinking import opened_by
from lm_eval_tasks.scoring.thinking_tags import tags_of
from lm_eval_tasks.sources import TaskSpec
from lm_eval_tasks.sources.other_inputs import OtherInputs
from lm_eval_tasks.sources.rows_source import JsonLinesSource
from lm_eval_tasks.sources.unjudged import refuse, unjudged

_TRIED = "?"
"""A reply that a scorer has to be able to judge, whatever it says of it."""


@dataclass
class TaskArguments:
    """Which rows are asked, and what is read before them."""

    task: str | None = field(
        default=None,
        metadata={"help": "A benchmark, a task of lm-eval, a YAML or a JSONL file; default: RLVR-IFeval."},
    )
    inputs: str | None = field(
        default=None, metadata={"help": "Of rows of one's own: JSON lines to train on; task is then judged."}
    )
    evaluation: str | None = field(
        default=None, metadata={"help": "Of rows of one's own: those that are judged, and never trained on."}
    )
    metric: str | None = field(
        default=None,
        metadata={"help": "Of rows of one's own: a name or module:function; default: exact_match."},
    )
    train_split: str | None = field(
        default=None, metadata={"help": "Split of an lm-eval task to train on; default: its training split."}
    )
    num_fewshot: int | None = field(
        default=None,
        metadata={"help": "Demonstrations that the policy reads; default: none, or all of the file's."},
    )
    pool: str | None = field(
        default=None, metadata={"help": "Where a benchmark's demonstrations come from; default: data."}
    )
    demonstrations: str | None = field(
        default=None, metadata={"help": f"How they are chosen ({', '.join(MODES)}), or a JSONL file of them."}
    )
    demonstration_seed: int | None = field(default=None, metadata={"help": "Seed of their choice."})
    system_instruction: str | None = field(
        default=None, metadata={"help": "Text, or a file of it, that the policy reads as the system's turn."}
    )
    document: list[str] | None = field(
        default=None, metadata={"help": "Files whose text the policy reads in the system's turn."}
    )
    privileged: str | None = field(
        default=None, metadata={"help": "Column whose text the policy reads beside the question."}
    )
    privileged_template: str | None = field(
        default=None, metadata={"help": "The turn then, with {question} and {privileged}."}
    )
    strict: bool = field(
        default=False,
        metadata={
            "help": "End where a row names a constraint that nothing defines; else it is left out of "
            "training, and counted."
        },
    )

    def __post_init__(self) -> None:
        """Check values that no later step could explain as well."""
        shots = self.num_fewshot
        check(shots is None or shots >= 0, "num_fewshot", shots, "give 0 or more")
        check(
            self.privileged != GOLD,
            "privileged",
            self.privileged,
            "the policy would read the answer that it is rewarded for; name another column",
        )

    def given(self) -> list[str]:
        """The names of the fields that say something, `task` and `strict` aside."""
        names = (one.name for one in fields(self) if one.name not in ("task", "strict"))
        return [name for name in names if getattr(self, name) is not None]

    def spec(self, data: str | None) -> TaskSpec:
        """The task and what is read before it: nothing, unless something is named."""
        shots = 0 if self.num_fewshot is None and self.demonstrations is None else self.num_fewshot
        return TaskSpec.of(self, data=data, num_fewshot=shots)


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
    rows, counts = _learned(source, context, strict=args.strict)
    evaluated = _head(source.evaluation(), num_eval)
    if args.strict:
        refuse(source.name, unjudged(source, evaluated), len(evaluated), option="strict")
    rows = _head(rows, num_train)
    for member in source.members:
        _check_judged(source, [row for row in (*rows, *evaluated) if row.source == member.name])
    render = _Renderer(source, context, tokenizer, enable_thinking=enable_thinking)
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
        tokenizer: PreTrainedTokenizerBase,
        *,
        enable_thinking: bool,
    ) -> None:
        self._source, self._context, self._tokenizer = source, context, tokenizer
        self._picker = source.picker(context.num_fewshot, context.demonstrations, context.demonstration_seed)
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


def _learned(source: Source, context: Context, *, strict: bool) -> tuple[list[Episode], dict[str, int]]:
    """The rows to train on, and how many were left out for what reason."""
    picker = source.picker(context.num_fewshot, context.demonstrations, context.demonstration_seed)
    rows, shown = without_overlap(source.train(), picker.fixed)
    rows, repeats = without_repeats(rows)
    ids = [id for member in source.members for id in unjudged(member, _of(member, rows))]
    if strict:
        refuse(source.name, ids, len(rows), option="strict")
    lost = frozenset(ids)
    rows = [row for row in rows if row.id not in lost]
    counts = {
        "evaluated": source.left_out["evaluated"],
        "demonstrations": shown,
        "repeated": repeats,
        "cannot be judged": len(ids),
    }
    if not rows:
        raise UserError(
            f"{source.name}: no row is left to train on ("
            + ", ".join(f"{reason}: {count}" for reason, count in counts.items())
            + "); give more, or lower num_fewshot."
        )
    return rows, counts


def _of(member: Source, rows: Sequence[Episode]) -> list[Episode]:
    return [row for row in rows if row.source == member.name]


def _check_judged(source: Source, rows: Sequence[Episode]) -> None:
    """See that every row has what its metric needs, and that the scorer judges the first one.

    Raises:
        UserError: a row, counted with those like it, is unlabelled; or the scorer fails or judges no text.
    """
    if not rows:
        return
    first = rows[0]
    member = next((one for one in source.members if one.name == first.source), source)
    if isinstance(member, JsonLinesSource) and member.metric is not None:
        unlabelled = [(row, why) for row in rows if (why := _lacking(member, row))]
        if unlabelled:
            row, why = unlabelled[0]
            raise UserError(
                f"{member.name}: {len(unlabelled)} of {len(rows)} rows cannot be judged by the metric "
                f"{member.metric.spec!r}, the first being {row.id!r}: {why} Label them, remove them, or name "
                "a metric that needs no label."
            )
    reply = first.completion if first.completion is not None else _TRIED
    if error := judgement(source, first, reply).error:
        raise UserError(
            f"{source.name}: judging row {first.id!r}, its own answer as the reply: {error}. Mend the scorer."
        )


def _lacking(member: JsonLinesSource, row: Episode) -> str | None:
    """Why no reply to a row can be judged."""
    assert member.metric is not None
    try:
        member.metric.check(row.reference)
    except UserError as error:
        return str(error)
    return None


def _metric_of(source: Source) -> str | None:
    """What judges rows of one's own; other sources say it by their name."""
    return source.metric.spec if isinstance(source, JsonLinesSource) and source.metric else None


def _head(rows: list[Episode], limit: int) -> list[Episode]:
    return rows if limit == -1 else rows[:limit]
