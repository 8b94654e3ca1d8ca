"""One command: measure, train, measure again, and say what came of it."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from distill.pipeline import NEEDED
from distill.pipeline.bake.folder import TASK, check_training, write_folder
from distill.pipeline.bake.outcome import advantage, build_outcome, read_measured, score_of, view_of
from distill.pipeline.bake.plan import Plan, make_plan
from distill.pipeline.bake.request import BakeRequest
from distill.pipeline.config import RunConfig
from distill.pipeline.processes import alone
from distill.pipeline.runner import run_stages
from distill.pipeline.stages import build_stages
from distill.statistics.significance import LEVEL
from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.benchmarks import BENCHMARKS
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require
from lm_eval_tasks.files import write_json

OUTCOME = "bake.json"
NOT_BETTER = 3
"""Exit code: the prompted model is no better than the bare one."""

_VLLM_RANKS = (16, 32, 64, 128, 256, 320, 512)


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
    return run_bake(BakeRequest(**options))


def run_bake(request: BakeRequest) -> dict[str, Any]:
    """See `bake`."""
    require(*NEEDED, *(["vllm"] if request.backend == "vllm" else []))
    plan = make_plan(request)
    check_training(plan)
    folder = request.output.resolve()  # so that the stages are the same from any directory
    with alone(folder):
        return _carry_out(plan, folder)


def _carry_out(plan: Plan, folder: Path) -> dict[str, Any]:
    config = write_folder(plan, folder)
    stages = build_stages(config, folder, folder)
    run_stages(stages, folder, until=f"gap-{plan.name}")
    _check_gain(plan, folder)
    run_stages(stages, folder)
    outcome = build_outcome(plan, config, folder, seconds=_seconds(folder))
    outcome |= _deliver(plan, config, folder, outcome.pop("checkpoint"))
    write_json(folder / OUTCOME, outcome)
    return outcome


def dry_run(request: BakeRequest) -> str:
    """What a bake would do, without writing anything."""
    plan = make_plan(request)
    check_training(plan)
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


def _seconds(folder: Path) -> dict[str, float]:
    """How long each stage took, when it ran, and all of them together."""
    found = {}
    for record in sorted((folder / ".stages").glob("*.json")):
        entry = json.loads(record.read_text(encoding="utf-8"))
        if "seconds" in entry:
            found[record.stem] = entry["seconds"]
    return found | {"all": round(sum(found.values()), 1)}


def _deliver(plan: Plan, config: RunConfig, folder: Path, checkpoint: Path) -> dict[str, Any]:
    """The adapter under a name that is easy to find, merged weights if wanted, and the commands."""
    adapter, is_adapter = checkpoint, (checkpoint / "adapter_config.json").is_file()
    if is_adapter:
        adapter = folder / "adapter"
        adapter.mkdir(exist_ok=True)
        for path in checkpoint.iterdir():
            if path.suffix in (".json", ".safetensors", ".jinja", ".md", ".txt", ".model"):
                shutil.copyfile(path, adapter / path.name)
    report = folder / "report" / "index.html"
    found: dict[str, Any] = {"adapter": str(adapter), "report": str(report)}
    if plan.request.merge:
        found["merged"] = str(_merge(plan.model, adapter, folder / "merged") if is_adapter else adapter)
    measurable = not plan.is_rows or (folder / TASK / "task.yaml").is_file()  # tools may differ by row
    found["lm_eval_command"] = _lm_eval_command(plan, config, folder, adapter) if measurable else None
    serve = ["vllm", "serve", str(adapter)]
    if is_adapter:
        serve = ["vllm", "serve", plan.model, "--enable-lora", *_lora_rank(adapter)]
        serve += ["--lora-modules", f"{plan.name}={adapter}"]
    found["serve_command"] = shlex.join(serve)
    return found


def _lora_rank(adapter: Path) -> list[str]:
    """What vLLM has to be told: it makes room for rank 16, and for certain ranks only."""
    rank = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"]
    return (
        [] if rank <= _VLLM_RANKS[0] else ["--max-lora-rank", str(min(r for r in _VLLM_RANKS if r >= rank))]
    )


def _merge(model: str, adapter: Path, output: Path) -> Path:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(model), adapter
    ).merge_and_unload()
    merged.save_pretrained(output)
    AutoTokenizer.from_pretrained(model).save_pretrained(output)
    return output


def _lm_eval_command(plan: Plan, config: RunConfig, folder: Path, adapter: Path) -> str:
    """What measures the baked model with lm-eval's own command, with the same answers."""
    arguments: dict[str, Any] = {"pretrained": str(adapter), "dtype": config.dtype}
    if (adapter / "adapter_config.json").is_file():
        kind = "lora_local_path" if config.backend == "vllm" else "peft"
        arguments |= {"pretrained": plan.model, kind: str(adapter)}
    if plan.chats:
        arguments["enable_thinking"] = (
            False  # as it was measured; templates differ in what they take for granted
        )
    words = ["lm_eval", "--model", str(config.backend)]
    words += ["--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())]
    words += ["--tasks", _lm_eval_task(plan, folder)]
    if plan.request.n_samples:
        words += ["--limit", str(plan.request.n_samples)]
    if plan.spec.task in BENCHMARKS:
        words += ["--include_path", str(TASK_DIR)]  # so that it needs no `icl-distill link-tasks`
    else:
        words += ["--num_fewshot", "0"]
    if plan.max_new_tokens and not plan.is_rows:
        words += ["--gen_kwargs", f"max_gen_toks={plan.max_new_tokens}"]
    if plan.chats:
        words.append("--apply_chat_template")
    if plan.spec.task in BENCHMARKS and config.data:
        words += ["--metadata", json.dumps({"data": config.data})]
    words += ["--batch_size", "auto" if config.backend == "vllm" else str(config.batch_size)]
    return shlex.join([*words, "--output_path", str(folder / "lm_eval"), "--log_samples"])


def _lm_eval_task(plan: Plan, folder: Path) -> str:
    if plan.is_rows:
        return str(folder / TASK / "task.yaml")
    if plan.spec.task in BENCHMARKS:
        return f"{plan.spec.task}_icl_0shot"
    name = plan.spec.task.removeprefix("lm_eval:")
    return str(Path(name).resolve()) if name.endswith(".yaml") else name
