"""One measurement: a loaded model, a benchmark, k demonstrations -> rows and what they sum up to."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

from distill.evaluation.response_length import Reply
from distill.evaluation.scores import DIAGNOSTICS, SCORES
from distill.evaluation.settings import EvalSettings
from distill.evaluation.summary import Row, diagnose, summarise
from distill.model.fingerprints import digest, digest_all, versions
from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.datasets import load_evaluation, load_pool, resolve_source
from lm_eval_tasks.demonstrations import DemonstrationPicker, without_overlap
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.schemas import fingerprint


@dataclass(frozen=True, slots=True)
class Question:
    """What is measured on a model.

    Attributes:
        benchmark: `gsm8k`, `csqa`, `math` or `ifeval`.
        num_fewshot: Demonstrations in the prompt.
        data: Source, number and fingerprint of the evaluated rows.
        shown: Number of demonstrations; with any, mode, seed, source and fingerprint of their pool.
    """

    benchmark: str
    num_fewshot: int
    data: Mapping[str, Any]
    shown: Mapping[str, Any]

    def __str__(self) -> str:
        """Such as `gsm8k 8-shot`."""
        return f"{self.benchmark} {self.num_fewshot}-shot"


def prepare(settings: EvalSettings, benchmark: str, num_fewshot: int) -> Question:
    """Load what would be asked, so that a fault shows before an engine is started.

    Raises:
        UserError: unknown benchmark, data not reachable, a malformed row, or a pool that is too small.
    """
    examples = load_evaluation(benchmark, settings.data)
    evaluated = examples[: settings.n_samples]
    data = {
        "source": resolve_source(settings.data),
        "rows": len(evaluated),
        "rows_in_split": len(examples),
        "fingerprint": fingerprint(evaluated),
    }
    shown: dict[str, Any] = {"num_fewshot": num_fewshot}
    if num_fewshot:
        # As the task does it, no row of the whole evaluation split is shown.
        rows, source = load_pool(benchmark, settings.data)
        pool, _ = without_overlap(rows, examples)
        DemonstrationPicker(pool, num_fewshot, settings.demonstrations, settings.demonstration_seed)  # type: ignore[arg-type] # checked there
        shown |= {
            "mode": settings.demonstrations,
            "seed": settings.demonstration_seed,
            "source": source,
            "pool_fingerprint": fingerprint(pool),
        }
    return Question(benchmark, num_fewshot, data, shown)


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
    task, results = _run_harness(lm, settings, question)
    samples = sorted(results["samples"][task], key=lambda sample: sample["doc_id"])
    if len(samples) != question.data["rows"]:
        raise RuntimeError(f"{task}: the harness gave {len(samples)} of {question.data['rows']} rows.")
    replies = lm.recorder.replies
    rows = [_row(question.benchmark, sample, replies[sample["arguments"][0][0]]) for sample in samples]
    template = lm.tokenizer.chat_template
    entry = {
        "benchmark": question.benchmark,
        "num_fewshot": question.num_fewshot,
        "metrics": summarise(question.benchmark, rows),
        "diagnostics": diagnose(question.benchmark, rows),
        "data": dict(question.data),
        "demonstrations": dict(question.shown),
        "prompts": {
            "fingerprint": digest_all([sample["arguments"][0][0] for sample in samples]),
            "chat_template": digest(template) if template else None,
        },
        "generation": dict(results["configs"][task]["generation_kwargs"]),
        "versions": versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begun, 1),
    }
    return entry, rows


def _run_harness(lm: Any, settings: EvalSettings, question: Question) -> tuple[str, Mapping[str, Any]]:
    k = question.num_fewshot
    task = f"{question.benchmark}_icl_{'fewshot' if k else '0shot'}"
    metadata = {
        "data": settings.data,
        "demonstrations": settings.demonstrations,
        "demonstration_seed": settings.demonstration_seed,
        # The task renders the chat. Given to the engine, it would make lm-eval cut the thinking off, which
        # our scorers do, keeping the raw text.
        "enable_thinking": settings.enable_thinking,
    }
    manager = TaskManager(include_path=str(TASK_DIR), include_defaults=False, metadata=metadata)
    limit = settings.max_new_tokens
    results = simple_evaluate(
        lm,
        tasks=[task],
        num_fewshot=k or None,
        limit=question.data["rows"],
        task_manager=manager,
        gen_kwargs={"max_gen_toks": limit} if limit else None,
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
    return task, results


def _row(benchmark: str, sample: Mapping[str, Any], reply: Reply) -> Row:
    """What is kept of one question: enough to show it and to compare conditions row by row."""
    scores = SCORES[benchmark]
    row: Row = {
        "id": sample["doc"]["id"],
        "question": sample["doc"]["prompt"],
        "target": sample["doc"]["target"],
        "response": sample["resps"][0][0],
        "response_tokens": reply.tokens,
        "truncated": reply.truncated,
        "prompt_sha": sample["prompt_hash"][:16],
    }
    if "instruction_id_list" in sample["doc"]:
        row["instruction_id_list"] = list(sample["doc"]["instruction_id_list"])
    for name in (*scores.per_row, *(name for name in DIAGNOSTICS if name in sample)):
        row[name] = bool(sample[name])
    for name in scores.per_instruction:
        row[name] = [bool(verdict) for verdict in sample[name]]
    return row
