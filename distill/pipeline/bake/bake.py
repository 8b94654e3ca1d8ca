"""One command: measure, train, measure again, and say what came of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.pipeline import NEEDED
from distill.pipeline.bake.deliver import deliver
from distill.pipeline.bake.folder import check_training, retention_of, write_folder
from distill.pipeline.bake.outcome import advantage, build_outcome, read_measured, score_of, view_of
from distill.pipeline.bake.plan import Plan, make_plan
from distill.pipeline.bake.request import BakeRequest
from distill.pipeline.processes import alone
from distill.pipeline.retention import check_retention
from distill.pipeline.runner import run_stages
from distill.pipeline.stages import build_stages
from distill.report.published import RUN_FILE
from distill.statistics.significance import LEVEL
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require
from lm_eval_tasks.files import read_yaml_mapping, write_json

OUTCOME = "bake.json"
NOT_BETTER = 3
"""Exit code: the prompted model is no better than the bare one."""


class NotBetterError(UserError):
    """The prompt does not help, so there is nothing to bake."""


def bake(**options: Any) -> dict[str, Any]:
    """Bake a prompt into a model: what `icl-distill bake` does.

    Args:
        options: The fields of `BakeRequest`: `model`, `output`, `task` or `evaluation`, ...

    Returns:
        The outcome, as `bake.json` holds it.

    Raises:
        UserError: bad input; or (`NotBetterError`) the prompted model is no better than the bare one.
    """
    options = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    options |= {"output": Path(options["output"]), "document": tuple(map(str, options.get("document", ())))}
    if "retention" in options:
        options["retention"] = tuple(map(str, options["retention"]))
    return run_bake(BakeRequest(**options))


def run_bake(request: BakeRequest) -> dict[str, Any]:
    """See `bake`."""
    require(*NEEDED, *(["vllm"] if request.backend == "vllm" else []))
    plan = make_plan(request)
    check_training(plan)
    check_retention(retention_of(plan))
    folder = request.output.resolve()  # so that the stages are the same from any directory
    with alone(folder):
        return _carry_out(plan, folder)


def _carry_out(plan: Plan, folder: Path) -> dict[str, Any]:
    _check_folder(plan, folder)
    config = write_folder(plan, folder)
    (folder / OUTCOME).unlink(missing_ok=True)  # what follows may end without one, and be of other options
    stages = build_stages(config, folder, folder)
    run_stages(stages, folder, until=f"gap-{plan.name}")
    _check_gain(plan, folder)
    run_stages(stages, folder)
    outcome = build_outcome(plan, config, folder, seconds=_seconds(folder, [stage.name for stage in stages]))
    outcome |= deliver(plan, config, folder, outcome.pop("checkpoint"))
    write_json(folder / OUTCOME, outcome)
    return outcome


def dry_run(request: BakeRequest) -> str:
    """What a bake would do, without writing anything."""
    plan = make_plan(request)
    check_training(plan)
    check_retention(retention_of(plan))
    context = plan.context
    system = context.system()
    return "\n".join(
        [
            f"model {request.model}, job {plan.name}",
            f"learns from {plan.rows} rows, {plan.labelled} of them with an answer"
            + ("; the prompted model writes the answers" if plan.answered else "")
            + (", and the student those it trains on" if request.method == "on_policy" else ""),
            f"the prompted model reads {context.num_fewshot} demonstrations"
            + (f" and {len(system)} characters of instruction and documents" if system else ""),
            f"evaluates {len(plan.source.evaluation()[: request.n_samples])} rows, answers of "
            + (f"at most {plan.max_new_tokens} tokens" if plan.max_new_tokens else "the task's own length"),
            f"baseline: {'plain fine-tuning' if plan.has_baseline else 'none'}; method {request.method}",
        ]
    )


def _check_gain(plan: Plan, folder: Path) -> None:
    """Is there anything to bake?

    Raises:
        NotBetterError: the prompted model is no better, and nobody insists.
    """
    measured = read_measured(folder / plan.name / "gap.json")
    base, prompted = view_of(measured, "bare"), view_of(measured, "prompted")
    if not prompted:
        print(
            "WARNING: no evaluated row has a teacher_prompt or privileged_context, so that what the prompt "
            "gives is not measured. Add one to the rows of --eval.",
            flush=True,
        )
        return
    before, after = score_of(base), score_of(prompted)
    assert before is not None and after is not None
    p = advantage(base, prompted)
    scores = f"bare {before['score']:.1%}, with the prompt {after['score']:.1%} of {after['n']}"
    told = f"{scores} (paired p = {p:.3g})"
    if after["score"] <= before["score"]:
        if not plan.request.force:
            raise NotBetterError(
                f"the prompted model is no better than the bare one: {told}. There is nothing to bake: mend "
                "the prompt, or go on all the same with --force."
            )
        print(f"WARNING: the prompt does not help: {told}", flush=True)
    elif p >= LEVEL:
        print(f"WARNING: the prompt's gain may be chance: {told}", flush=True)


def _check_folder(plan: Plan, folder: Path) -> None:
    """Refuse a folder that holds another job: its results would stand in this one's report.

    Raises:
        UserError: names it.
    """
    file = folder / RUN_FILE
    jobs = read_yaml_mapping(file).get("benchmarks") if file.is_file() else None
    others = [name for name in jobs or () if name != plan.name]
    if others:
        raise UserError(
            f"--output {plan.request.output} holds another job, {others[0]!r}, and this one is "
            f"{plan.name!r}: name another folder, or remove that one."
        )


def _seconds(folder: Path, stages: Sequence[str]) -> dict[str, float]:
    """How long each of the stages took, when it ran, and all of them together."""
    found = {}
    for record in sorted((folder / ".stages").glob("*.json")):
        entry = json.loads(record.read_text(encoding="utf-8"))
        if "seconds" in entry and record.stem in stages:
            found[record.stem] = entry["seconds"]
    return found | {"all": round(sum(found.values()), 1)}
