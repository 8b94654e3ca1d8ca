"""One measurement: a loaded model, one view of a task -> rows and what they sum up to."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lm_eval.evaluator import simple_evaluate

from distill.encoding.prefixes import common_prefix
from distill.evaluation.response_length import Reply, answer_limit
from distill.evaluation.settings import EvalSettings
from distill.evaluation.summary import Row, diagnose, summarise, unit_of
from distill.model.fingerprints import digest, digest_all, versions
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.episodes import Episode, Source, fingerprint, prompt_text
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.harness.definition import definition_of
from lm_eval_tasks.harness.measured import HarnessTask, Scored, harness_task
from lm_eval_tasks.harness.task import IclTask
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.reading import bad_rows_record
from lm_eval_tasks.scoring.names import PARTS, flagged
from lm_eval_tasks.sources import TaskSpec
from lm_eval_tasks.sources.json_lines import JsonLinesSource

BARE, PROMPTED = "bare", "prompted"
VIEWS = (BARE, PROMPTED)
_SHARED = 20_000
"""Characters that are kept of what all prompts begin with."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is measured on a model: one view of one task.

    Attributes:
        benchmark: The task's name.
        view: `bare`, or `prompted`: with what only the teacher reads.
        num_fewshot: Demonstrations in the prompt.
        data: Source, number and fingerprint of the evaluated rows.
        shown: What the prompt holds beside the question: number, mode, seed and pool of demonstrations, and
            digests of the rest.
        definition: See `definition_of`.
        member: The task.
        spec: How it was named.
        context: What the prompted view shows.
    """

    benchmark: str
    view: str
    num_fewshot: int
    data: Mapping[str, Any]
    shown: Mapping[str, Any]
    definition: str | None
    member: Source = field(repr=False)
    spec: TaskSpec = field(repr=False)
    context: Context = field(repr=False)

    def __str__(self) -> str:
        """Such as `gsm8k 8-shot`, or `orders with the prompt`."""
        plain = self.view == BARE or self.num_fewshot
        return f"{self.benchmark} {f'{self.num_fewshot}-shot' if plain else 'with the prompt'}"

    @property
    def key(self) -> tuple[str, str, int]:
        """What an entry of it is found by."""
        return self.benchmark, self.view, self.num_fewshot


def prepare(settings: EvalSettings, member: Source, spec: TaskSpec, context: Context, view: str) -> Question:
    """Load what would be asked, so that a fault shows before an engine is started.

    Raises:
        UserError: data not reachable, a malformed row, or a pool that is too small.
    """
    episodes = member.evaluation()
    evaluated = episodes[: settings.n_samples]
    data = {
        "source": getattr(member, "data", None),
        "rows": len(evaluated),
        "rows_in_split": len(episodes),
        "fingerprint": fingerprint(evaluated),
        **bad_rows_record(getattr(member, "bad_rows", ())),
    }
    if isinstance(member, JsonLinesSource):  # of other tasks the name says it
        data["metric"] = member.metric.spec if member.metric else None
    k = context.num_fewshot if view == PROMPTED else 0
    shown: dict[str, Any] = {"num_fewshot": k}
    if k:
        picker = member.picker(k, context.demonstrations, context.demonstration_seed)
        shown |= {
            "mode": context.demonstrations,
            "seed": context.demonstration_seed,
            "source": getattr(member, "pool_data", None),
            "pool_fingerprint": fingerprint(member.pool()),
        }
        if context.demonstrations not in ("per_example", "zero"):
            shown["ids"] = [episode.id for episode in picker.fixed]
    if view == PROMPTED:
        own = any(episode.privileged is not None for episode in evaluated)
        shown |= _beside(context, own_privileged=own)
    return Question(member.name, view, k, data, shown, definition_of(member), member, spec, context)


def _beside(context: Context, *, own_privileged: bool) -> dict[str, Any]:
    """What a prompt holds beside demonstrations; nothing is said of what it has not."""
    privileged = context.privileged is not None or own_privileged
    said = {
        "system": digest(context.system_instruction) if context.system_instruction else None,
        "documents": {name: digest(text) for name, text in context.documents} or None,
        "privileged": [context.privileged, context.privileged_template] if privileged else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def measure(lm: Any, settings: EvalSettings, question: Question) -> tuple[dict[str, Any], list[Row]]:
    """Ask a model and sum up.

    Args:
        lm: A model of an engine.
        settings: How it is asked.
        question: What it is asked.

    Returns:
        The entry for the results file, without what names the model, and one row per question.

    Raises:
        UserError: a prompt exceeds the model's context.
    """
    begun = time.monotonic()
    asked = harness_task(
        question.member,
        question.spec,
        # The system text goes the way of lm-eval's own option, documents included.
        replace(question.context, system_instruction=None, documents=()),
        prompted=question.view == PROMPTED,
        enable_thinking=settings.enable_thinking,
    )
    if isinstance(asked.task, IclTask):
        asked.task.engine_cut = lm.recorder.was_cut
    results = _run_harness(lm, settings, question, asked)
    samples = _by_row(results["samples"][asked.name])
    if len(samples) != question.data["rows"]:
        raise RuntimeError(f"{asked.name}: the harness gave {len(samples)} of {question.data['rows']} rows.")
    scored = _rowwise(asked.scored, samples)
    evaluated = question.member.evaluation()
    rows = [
        _row(lm, asked, scored, episode, by_filter)
        for episode, by_filter in zip(evaluated, samples, strict=False)
    ]
    template, config = lm.tokenizer.chat_template, results["configs"][asked.name]
    prompts = [_prompt_of(_first(by_filter)) for by_filter in samples]
    entry = {
        "benchmark": question.benchmark,
        "title": getattr(question.member, "title", None) or _title(question.benchmark),
        "view": question.view,
        "num_fewshot": question.num_fewshot,
        "metrics": summarise(scored, rows, results["results"][asked.name]),
        "diagnostics": diagnose(scored, rows),
        **({PARTS: parts} if (parts := (config.get("metadata") or {}).get(PARTS)) else {}),
        "data": {**question.data, "split_fingerprint": fingerprint(evaluated)},
        "demonstrations": dict(question.shown),
        "prompts": {
            "fingerprint": digest_all(prompts),
            "chat_template": digest(template) if template else None,
            **({"shared": shared_part(prompts)} if question.view == PROMPTED else {}),
        },
        "generation": _generation(asked, config),
        "versions": versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begun, 1),
    }
    return entry, rows


def shared_part(prompts: Sequence[str]) -> str:
    """What all prompts begin with, such as the demonstrations, to show it; of a long one both ends."""
    ends = min(prompts), max(prompts)
    shared = "".join(common_prefix(ends)) if ends[0] != ends[1] else ""
    if len(shared) <= _SHARED:
        return shared
    half = _SHARED // 2
    return f"{shared[:half]}\n[... {len(shared) - 2 * half} characters ...]\n{shared[-half:]}"


def _generation(asked: HarnessTask, config: Mapping[str, Any]) -> dict[str, Any]:
    """What lm-eval handed to the model, with the limit of its answers, which has several names there."""
    given = dict(config.get("generation_kwargs") or {})
    if asked.task.OUTPUT_TYPE != "generate_until":
        return given
    return given | {"max_gen_toks": answer_limit(given)}


def _title(name: str) -> str:
    return BENCHMARKS[name].title if name in BENCHMARKS else name.removeprefix("lm_eval:")


def _run_harness(
    lm: Any, settings: EvalSettings, question: Question, asked: HarnessTask
) -> Mapping[str, Any]:
    limit = settings.max_new_tokens
    generates = asked.task.OUTPUT_TYPE == "generate_until"
    results = simple_evaluate(
        lm,
        tasks=[asked.task],
        num_fewshot=question.num_fewshot or None,
        limit=question.data["rows"],
        task_manager=asked.manager,
        gen_kwargs={"max_gen_toks": limit} if limit and generates else None,
        system_instruction=question.context.system() if question.view == PROMPTED else None,
        apply_chat_template=lm.tokenizer.chat_template is not None,
        fewshot_as_multiturn=True,
        bootstrap_iters=0,  # our own statistics, from the rows
        random_seed=settings.seed,
        numpy_random_seed=settings.seed,
        torch_random_seed=settings.seed,
        fewshot_random_seed=settings.seed,
    )
    if results is None:
        raise UserError("lm-eval gave no results: this is one of several processes. Start a single one.")
    return results


_ByFilter = dict[str, Mapping[str, Any]]
"""One question's samples: lm-eval logs one for each answer filter."""


def _by_row(samples: Sequence[Mapping[str, Any]]) -> list[_ByFilter]:
    rows: dict[int, _ByFilter] = {}
    for sample in samples:
        rows.setdefault(sample["doc_id"], {})[sample["filter"]] = sample
    return [rows[number] for number in sorted(rows)]


def _first(by_filter: _ByFilter) -> Mapping[str, Any]:
    return next(iter(by_filter.values()))


def _prompt_of(sample: Mapping[str, Any]) -> str:
    return str(sample["arguments"][0][0])


def _value(by_filter: _ByFilter, score: Scored) -> Any:
    sample = by_filter[score.filter] if score.filter in by_filter else _first(by_filter)
    return sample.get(score.metric)


def _rowwise(scored: Sequence[Scored], samples: Sequence[_ByFilter]) -> list[Scored]:
    """The numbers with the unit that their values show: a task's own function may return anything."""
    found = []
    for score in scored:
        values = [_value(by_filter, score) for by_filter in samples]
        found.append(score if score.unit == "instruction" else replace(score, unit=unit_of(values)))
    # A number that cannot be compared row by row is never the primary one, if there is another.
    return sorted(found, key=lambda score: score.unit == "total")


def _row(
    lm: Any, asked: HarnessTask, scored: Sequence[Scored], episode: Episode, by_filter: _ByFilter
) -> Row:
    """What is kept of one question: enough to show it and to compare conditions row by row."""
    sample = _first(by_filter)
    doc, prompt = sample["doc"], _prompt_of(sample)
    ours = isinstance(asked.task, IclTask)
    reply: Reply | None = None
    if asked.task.OUTPUT_TYPE == "generate_until":
        reply, response = lm.recorder.replies[prompt], sample["resps"][0][0]
    else:
        response = _chosen(sample, len(episode.reference.get("choices", ())))
    row: Row = {
        "id": episode.id if ours else str(sample["doc_id"]),
        "question": doc["prompt"] if ours else prompt_text(episode.prompt),
        "target": doc["target"] if ours else sample["target"],
        "response": response,
        "response_tokens": reply.tokens if reply else None,
        "truncated": reply.truncated if reply else None,
        "prompt_tokens": len(lm.tok_encode(prompt)),
        "prompt_sha": sample["prompt_hash"][:16],
        "doc_hash": sample["doc_hash"][:16],
    }
    row |= {name: _read(doc[name]) for name in asked.logged if name in doc}
    row |= {name: verdict for name, verdict in flagged(sample).items() if name != "truncated"}
    for score in scored:
        if score.unit != "total":
            row[score.name] = _plain(_value(by_filter, score), score.unit)
    return row


def _plain(value: Any, unit: str) -> Any:
    if unit == "instruction":
        return [bool(verdict) for verdict in value]
    return bool(value) if unit == "row" else float(value)


def _read(value: Any) -> Any:
    """A logged field; nested ones are JSON text, since Arrow would fill in nulls."""
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


def _chosen(sample: Mapping[str, Any], choices: int) -> str:
    """The option that was likeliest, as it was scored."""
    found = [one[0] if isinstance(one[0], Sequence) else one for one in sample["resps"]]
    # Behind the choices may stand the same ones without their question, which a metric wants.
    best = max(range(choices or len(found)), key=lambda place: float(found[place][0]))
    return str(sample["arguments"][best][1]).strip()
