"""A request looked over before anything is written: rows, prompt, lengths, settings."""

import logging
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from distill.encoding.encode import encode_prompt
from distill.evaluation.answers import check_labels
from distill.evaluation.engines import check_model
from distill.evaluation.session import has_own_context
from distill.model.demo_model import resolve_model
from distill.pipeline.bake import defaults
from distill.pipeline.bake.request import BakeRequest
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.episodes import Episode, Source
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import Context, privileged_text
from lm_eval_tasks.prompting.demonstrations import without_overlap, without_repeats
from lm_eval_tasks.sources import TaskSpec
from lm_eval_tasks.sources.json_lines import JsonLinesSource

logger = logging.getLogger(__name__)

_TAKEN = ("task", "context", "report", "adapter", "merged", "lm_eval", "logs")
"""Folders of a bake that a job cannot be called."""

_SAMPLED = 64
"""Prompts whose length is looked at of each kind, beside the longest by characters."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to happen.

    Attributes:
        request: What was asked.
        model: The model's folder, as an absolute path, or hub name.
        name: Of the job, and of its folder.
        spec: The task and its prompt.
        source: Its rows.
        context: What only the teacher reads.
        learned: The rows to learn from.
        labelled: How many of them have a completion.
        max_new_tokens: Longest answer; None: the task's own limit.
        hidden_size: Of the model.
        cuda: Whether there is a GPU.
        chats: Whether the model has a chat template.
    """

    request: BakeRequest
    model: str
    name: str
    spec: TaskSpec
    source: Source
    context: Context
    learned: tuple[Episode, ...] = field(repr=False)
    labelled: int
    max_new_tokens: int | None
    hidden_size: int
    cuda: bool
    chats: bool

    @property
    def rows(self) -> int:
        """How many rows there are to learn from."""
        return len(self.learned)

    @property
    def is_rows(self) -> bool:
        """Whether the task is rows of one's own."""
        return isinstance(self.source, JsonLinesSource)

    @property
    def dtype(self) -> str:
        """Of the weights."""
        return self.request.dtype or ("bfloat16" if self.cuda else "float32")

    @property
    def answered(self) -> bool:
        """Whether the teacher writes answers before training."""
        # On-policy as well: the held-out divergence is measured on answers; a row without one is left out.
        request = self.request
        return self.labelled < self.rows or request.n_answers > 1 or request.keep == "correct"

    @property
    def prompts_evaluated(self) -> bool:
        """Whether the evaluated rows have a prompted view, as the evaluation finds it."""
        return not self.context.is_empty or has_own_context(self.source)

    @property
    def demonstrations_only(self) -> bool:
        """Whether the demonstrations are the only labels at hand."""
        return not self.labelled and bool(self.context.num_fewshot)

    @property
    def has_baseline(self) -> bool:
        """Whether plain fine-tuning has anything to learn from."""
        return self.request.baseline == "sft" and (self.labelled > 0 or self.demonstrations_only)


def make_plan(request: BakeRequest) -> Plan:
    """Look a request over.

    Raises:
        UserError: a file or model cannot be used, nothing is read by the teacher alone, a prompt exceeds the
            model's context, ...
    """
    import torch

    model = resolve_model(request.model)
    check_model(model)
    if Path(model).is_dir():  # what is written down holds from any directory
        model = str(Path(model).resolve())
    tokenizer = AutoTokenizer.from_pretrained(model)
    if not tokenizer.eos_token:
        raise UserError(
            f"--model {request.model}: its tokenizer has no eos_token, so that no answer would ever end. Set "
            "it in tokenizer_config.json."
        )
    config = AutoConfig.from_pretrained(model).get_text_config()
    spec = request.spec()
    source = spec.open(chat=tokenizer.chat_template is not None)
    context = spec.context(source)
    evaluated = source.evaluation()
    rows = _learned(source, context, request)
    _check_context(context, rows, request)
    if isinstance(source, JsonLinesSource):
        _check_rows(source, rows, evaluated, context, request)
    elif request.metric:
        raise UserError(f"--metric {request.metric} is for rows of one's own; {source.name} has its own.")
    labelled = sum(row.completion is not None for row in rows)
    if request.by and not any(request.by in row.reference for row in evaluated):
        raise UserError(f"--by {request.by}: no evaluated row has such a column.")
    limit = request.max_new_tokens or _answer_limit(tokenizer, source, rows, spec, context)
    plan = Plan(
        request=request,
        model=model,
        name=_job_name(source),
        spec=spec,
        source=source,
        context=context,
        learned=tuple(rows),
        labelled=labelled,
        max_new_tokens=limit,
        hidden_size=int(config.hidden_size),
        cuda=torch.cuda.is_available(),
        chats=tokenizer.chat_template is not None,
    )
    _check_lengths(plan, tokenizer, rows, evaluated, getattr(config, "max_position_embeddings", None))
    return plan


def _job_name(source: Source) -> str:
    """A folder's name, and the task's in the harness: no folder of the bake, and of rows no benchmark."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", source.name.removeprefix("lm_eval:")).lstrip("_.-") or "rows"
    taken = (*_TAKEN, *(BENCHMARKS if isinstance(source, JsonLinesSource) else ()))
    return f"{name}_rows" if name in taken else name


def _learned(source: Source, context: Context, request: BakeRequest) -> list[Episode]:
    """The rows to learn from, as training will find them."""
    picker = context.picker(source)
    rows, shown = without_overlap(source.train(), picker.fixed)
    rows, _ = without_repeats(rows)
    if not rows:
        raise UserError(
            f"{source.name}: there are no rows to learn from"
            + (f": all {shown} are among the demonstrations; lower --num_fewshot, or" if shown else ";")
            + " give some with --inputs."
        )
    return _read(rows[: request.limit], source, request)


def _read(rows: list[Episode], source: Source, request: BakeRequest) -> list[Episode]:
    """Of rows of one's own, those that training gets to: the others need no answer."""
    several = request.accelerate_config is not None  # processes, which share the steps
    if not isinstance(source, JsonLinesSource) or several or request.method == "on_policy":
        return rows
    number = defaults.rows_read(len(rows), request.training)
    if number == len(rows):
        return rows
    print(
        f"{number} of {len(rows)} inputs are used: --max_steps {request.training['max_steps']} reads no more."
    )
    kept = sorted(random.Random(request.seed).sample(range(len(rows)), number))
    return [rows[index] for index in kept]


def _check_context(context: Context, rows: Sequence[Episode], request: BakeRequest) -> None:
    own = any(row.teacher_prompt is not None or row.privileged is not None for row in rows)
    if context.is_empty and not own:
        raise UserError(
            "there is nothing to bake: the prompted model reads what the bare one reads. Give "
            "--demonstrations or --num_fewshot, --system_instruction, --document, --privileged, or rows with "
            "a teacher_prompt."
        )
    if context.num_fewshot and context.demonstrations == "zero":
        raise UserError(
            "--demonstrations zero shows none, so that the prompted model would read what the bare one "
            "reads. Leave it out."
        )
    if request.method == "on_policy" and (request.keep == "correct" or request.n_answers > 1):
        raise UserError(
            "--keep and --n_answers are for answers that the prompted model writes; with --method on_policy "
            "the student writes them. Leave one of them out."
        )
    if request.keep == "correct":
        check_labels(rows)


def _check_rows(
    source: JsonLinesSource,
    rows: Sequence[Episode],
    evaluated: Sequence[Episode],
    context: Context,
    request: BakeRequest,
) -> None:
    """What only rows of one's own can have: a column that some lack, a metric that raises."""
    where = request.evaluation or request.task
    for row in (*rows, *evaluated):
        privileged_text(row, context.privileged)
    first = evaluated[0]
    if (target := first.reference.get("target")) is None:
        return
    if error := source.judge(first, str(target)).error:
        raise UserError(
            f"{where}: judging row {first.id!r}, its own answer as the reply: {error}. Mend the metric."
        )


def _answer_limit(
    tokenizer: PreTrainedTokenizerBase,
    source: Source,
    rows: Sequence[Episode],
    spec: TaskSpec,
    context: Context,
) -> int | None:
    """From the known answers, those of the evaluation excepted; a task of another kind has its own."""
    if not isinstance(source, JsonLinesSource):
        return None
    if source.max_new_tokens is not None:
        return source.max_new_tokens
    shown = source.demonstrations if context.num_fewshot else ()
    known = [row.completion for row in (*shown, *rows[:_SAMPLED]) if row.completion is not None]
    if not known:
        return None
    lengths = [len(ids) for ids in tokenizer(known, add_special_tokens=False)["input_ids"]]
    return defaults.answer_tokens(lengths)


def _check_lengths(
    plan: Plan,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Episode],
    evaluated: Sequence[Episode],
    longest: int | None,
) -> None:
    """Refuse prompts that the model cannot read; looked for among the longest, counted among all.

    Raises:
        UserError: names the longest, and how many there are.
    """
    if longest is None:
        return
    room = longest - (plan.max_new_tokens or 0)
    picker = plan.context.picker(plan.source)

    def tokens(row: Episode) -> int:
        shown = picker.pick(row) if plan.context.num_fewshot else ()
        prompt = plan.context.prompt(plan.source, row, shown)
        return len(encode_prompt(tokenizer, prompt, tools=row.tools))

    ordered = _longest_first([*rows, *evaluated])
    if any(tokens(row) > room for row in ordered[:_SAMPLED]):
        found = [(tokens(row), row.id) for row in ordered]
        length, id = max(found)
        others = sum(length > room for length, _ in found) - 1
        more = f" (and those of {others} more rows are too long)" if others else ""
        raise UserError(
            f"{plan.source.name}: the prompt of row {id!r} has {length} tokens{more}, and with "
            f"{plan.max_new_tokens or 0} for the answer it exceeds the {longest} that {plan.request.model} "
            "reads. Shorten the documents or demonstrations, or lower --num_fewshot or --max_new_tokens."
        )


def _longest_first(rows: Sequence[Episode]) -> list[Episode]:
    return sorted(rows, key=lambda row: -len(str(row.prompt)) - len(str(row.teacher_prompt or "")))
