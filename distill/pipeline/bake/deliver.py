"""What a bake hands over: the adapter, merged weights, and the commands that measure and serve it."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from distill.pipeline.bake.folder import TASK
from distill.pipeline.bake.plan import Plan
from distill.pipeline.config import RunConfig
from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.benchmarks import BENCHMARKS

_VLLM_RANKS = (16, 32, 64, 128, 256, 320, 512)


def deliver(plan: Plan, config: RunConfig, folder: Path, checkpoint: Path) -> dict[str, Any]:
    """The adapter under a name that is easy to find, merged weights if wanted, and the commands."""
    adapter, is_adapter = checkpoint, (checkpoint / "adapter_config.json").is_file()
    shutil.rmtree(folder / "adapter", ignore_errors=True)  # an earlier one may have held other files
    if is_adapter:
        adapter = folder / "adapter"
        adapter.mkdir()
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
