"""One command: measure, train, measure again, and say what came of it."""

import json
import shlex
import shutil
import time
from pathlib import Path
from typing import Any

from distill.pipeline.bake.folder import BAKED, TASK, write_folder
from distill.pipeline.bake.outcome import LEVEL, Measured, advantage, build_outcome, read_measured, score_of
from distill.pipeline.bake.plan import Plan, make_plan
from distill.pipeline.bake.request import BakeRequest
from distill.pipeline.config import RunConfig
from distill.pipeline.processes import check_alone
from distill.pipeline.runner import run_stages
from distill.pipeline.stages import build_stages
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import write_json

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
    options["output"] = Path(options["output"])
    return run_bake(BakeRequest(**options))


def run_bake(request: BakeRequest, *, force: bool = False) -> dict[str, Any]:
    """See `bake`."""
    begun = time.monotonic()
    plan = make_plan(request)
    folder = request.output
    folder.mkdir(parents=True, exist_ok=True)
    check_alone(folder)
    config, why_not = write_folder(plan)
    if why_not:
        print(why_not, flush=True)
    stages = build_stages(config, folder, folder)
    gap = stages[0]
    run_stages(stages, folder, until=gap.name)
    _check_gain(plan, folder)
    run_stages(stages, folder)
    outcome = build_outcome(
        plan, folder, seconds=_seconds(folder) | {"all": round(time.monotonic() - begun, 1)}
    )
    outcome |= _deliver(plan, config, folder, outcome.pop("checkpoint"))
    write_json(folder / OUTCOME, outcome)
    return outcome


def dry_run(request: BakeRequest) -> str:
    """What a bake would do, without writing anything."""
    plan = make_plan(request)
    context = plan.context
    system = context.system()
    return "\n".join(
        [
            f"model {request.model}, job {plan.name}",
            f"learns from {plan.rows} rows, {plan.labelled} of them with an answer"
            + ("; the prompted model writes the answers" if plan.answered else ""),
            f"the prompted model reads {context.num_fewshot} demonstrations"
            + (f" and {len(system)} characters of instruction and documents" if system else ""),
            f"evaluates {len(plan.source.evaluation()[: request.n_samples])} rows, answers of at most "
            f"{plan.max_new_tokens or 'the task’s own number of'} tokens",
            f"baseline: {'plain fine-tuning' if plan.has_baseline else 'none'}; method {request.method}",
        ]
    )


def _check_gain(plan: Plan, folder: Path) -> None:
    """Is there anything to bake?

    Raises:
        NotBetterError: the prompted model is no better, and nobody insists.
    """
    measured = read_measured(folder / plan.name / "gap.json")
    base, prompted = _views(measured)
    if not prompted:
        return
    before, after = score_of(base), score_of(prompted)
    assert before is not None and after is not None
    p = advantage(base, prompted)
    told = f"bare {before['score']:.1%}, with the prompt {after['score']:.1%} of {after['n']} (paired p = {p:.3g})"
    if after["score"] <= before["score"]:
        if not plan.request.force:
            raise NotBetterError(
                f"the prompted model is no better than the bare one: {told}. There is nothing to bake: mend the "
                "prompt, or go on all the same with --force."
            )
        print(f"WARNING: the prompt does not help: {told}", flush=True)
    elif p >= LEVEL:
        print(f"WARNING: the prompt's gain may be chance: {told}", flush=True)


def _views(measured: list[Measured]) -> tuple[list[Measured], list[Measured]]:
    base = [one for one in measured if one.entry["view"] == "bare"]
    return base, [one for one in measured if one.entry["view"] == "prompted"]


def _seconds(folder: Path) -> dict[str, float]:
    """How long each stage took, when it ran."""
    found = {}
    for record in sorted((folder / ".stages").glob("*.json")):
        entry = json.loads(record.read_text(encoding="utf-8"))
        if "seconds" in entry:
            found[record.stem] = entry["seconds"]
    return found


def _deliver(plan: Plan, config: RunConfig, folder: Path, checkpoint: Path) -> dict[str, Any]:
    """The adapter under a name that is easy to find, merged weights if wanted, and the commands."""
    adapter = checkpoint
    if (checkpoint / "adapter_config.json").is_file():
        adapter = folder / "adapter"
        adapter.mkdir(exist_ok=True)
        for path in checkpoint.iterdir():
            if path.suffix in (".json", ".safetensors", ".jinja", ".md", ".txt", ".model"):
                shutil.copyfile(path, adapter / path.name)
    report = folder.resolve() / "report" / "index.html"
    found: dict[str, Any] = {"adapter": str(adapter.resolve()), "report": str(report)}
    if plan.request.merge:
        found["merged"] = str(_merge(plan.model, adapter, folder / "merged"))
    found["lm_eval_command"] = _lm_eval_command(plan, config, folder, adapter)
    found["serve_command"] = shlex.join(
        ["vllm", "serve", plan.model, "--enable-lora", "--lora-modules", f"{plan.name}={adapter.resolve()}"]
    )
    return found


def _merge(model: str, adapter: Path, output: Path) -> Path:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(model), adapter
    ).merge_and_unload()
    merged.save_pretrained(output)
    AutoTokenizer.from_pretrained(model).save_pretrained(output)
    return output.resolve()


def _lm_eval_command(plan: Plan, config: RunConfig, folder: Path, adapter: Path) -> str:
    """What measures the baked model with lm-eval's own command, with the same answers."""
    kind = "peft" if (adapter / "adapter_config.json").is_file() else "pretrained"
    arguments = {"pretrained": plan.model, kind: str(adapter.resolve()), "dtype": config.dtype}
    if config.backend == "vllm":
        arguments = {
            "pretrained": plan.model,
            "lora_local_path": str(adapter.resolve()),
            "dtype": config.dtype,
        }
    run = config.benchmarks[plan.name]
    words = ["lm_eval", "--model", config.backend or "hf"]
    words += ["--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())]
    words += ["--tasks", _lm_eval_task(plan, folder)]
    if plan.request.n_samples:
        words += ["--limit", str(plan.request.n_samples)]
    if run.max_new_tokens and not (folder / TASK / "task.yaml").is_file():
        words += ["--gen_kwargs", f"max_gen_toks={run.max_new_tokens}"]
    if plan.chats:
        words.append("--apply_chat_template")
    if plan.spec.task in _ours() and plan.request.data:
        words += ["--metadata", json.dumps({"data": plan.request.data})]
    words += ["--batch_size", "auto" if config.backend == "vllm" else str(config.batch_size)]
    return shlex.join([*words, "--output_path", str(folder.resolve() / "lm_eval"), "--log_samples"])


def _lm_eval_task(plan: Plan, folder: Path) -> str:
    if (folder / TASK / "task.yaml").is_file():
        return str((folder / TASK / "task.yaml").resolve())
    if plan.spec.task in _ours():
        return f"{plan.spec.task}_icl_0shot"
    name = plan.spec.task.removeprefix("lm_eval:")
    return str(Path(name).resolve()) if name.endswith(".yaml") else name


def _ours() -> frozenset[str]:
    from lm_eval_tasks.benchmarks import BENCHMARKS

    return frozenset(BENCHMARKS)


__all__ = ["BAKED", "NOT_BETTER", "NotBetterError", "bake", "dry_run", "run_bake"]
