"""`--scale tiny`: a whole run in about a minute of CPU, on a random Qwen3-architecture model and the sample.

It shows that a run file works; its scores mean nothing.

    python -m distill.pipeline.tiny FOLDER        builds the model
"""

import dataclasses
import os
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from distill.pipeline.config import BenchmarkRun, Condition, Retention, RunConfig
from distill.pipeline.limits import without_options
from distill.pipeline.stage import Stage, module_command

MODEL = "tiny_model"

_ACCELERATE = "accelerate.yaml"
_ROWS, _ANSWER_TOKENS, _SHOTS, _STEPS = 4, 8, 2, (1, 2)
_TRAINING = {
    "dtype": "float32", "bf16": False, "use_cpu": True, "gradient_checkpointing": False,
    "per_device_train_batch_size": 2, "per_device_eval_batch_size": 2, "gradient_accumulation_steps": 1,
    "max_train_rows": 8, "eval_rows": 2,
    "max_length": 2048, "teacher_max_length": 4096,
    "max_steps": _STEPS[-1], "save_steps": 1, "logging_steps": 1, "warmup_steps": 0, "report_to": "none",
}  # fmt: skip
_LAUNCH = {
    "compute_environment": "LOCAL_MACHINE", "distributed_type": "NO", "use_cpu": True,
    "num_processes": 1, "num_machines": 1, "mixed_precision": "no",
}  # fmt: skip
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
_VOCABULARY = 600


def scale_tiny(config: RunConfig, output_dir: Path) -> RunConfig:
    """The run on a few rows and steps of the sample, on the CPU; its conditions and controls stay."""
    model = output_dir.resolve() / MODEL
    shots = min(_SHOTS, max(k for run in config.benchmarks.values() for k in run.num_fewshot))
    training = _TRAINING | {"num_fewshot": shots}
    benchmarks = {name: _short(run, shots) for name, run in config.benchmarks.items()}
    conditions = {
        name: without_options(_on_one_device(condition, number), training)
        for number, (name, condition) in enumerate(config.conditions.items())
    }
    return dataclasses.replace(
        config,
        model_name_or_path=str(model),
        benchmarks=benchmarks,
        conditions=conditions,
        data="sample",
        backend="hf",
        accelerate_config=str(model / _ACCELERATE),
        n_samples=_ROWS,
        batch_size=_ROWS,
        dtype="float32",
        tensor_parallel_size=1,
        model_args={},
        training={**config.training, **training},
        retention=config.retention and _short_retention(config.retention),
    )


def model_stage(output_dir: Path) -> Stage:
    """The stage that builds the model of `scale_tiny`."""
    model = output_dir.resolve() / MODEL
    return Stage(
        "tiny-model", module_command("distill.pipeline.tiny", str(model)), model, model / _ACCELERATE
    )


def build_model(folder: Path) -> None:
    """Save the model, its tokenizer and a file for `accelerate launch`, the same each time."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = _tokenizer()
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        # Weights large enough that answers depend on the prompt.
        initializer_range=0.2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        Qwen3ForCausalLM(config).save_pretrained(building)
        tokenizer.save_pretrained(building)
        (building / _ACCELERATE).write_text(yaml.safe_dump(_LAUNCH))
        building.chmod(0o755)
        os.replace(building, folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _short(run: BenchmarkRun, taught: int) -> BenchmarkRun:
    shots = tuple(sorted({taught, *(min(k, taught) for k in run.num_fewshot)}))
    return dataclasses.replace(
        run,
        num_fewshot=shots,
        max_new_tokens=_ANSWER_TOKENS,
        checkpoint_steps=_STEPS[-len(run.checkpoint_steps) :],
        n_samples=_ROWS,
    )


def _short_retention(wanted: Retention) -> Retention:
    return dataclasses.replace(wanted, data="sample", n_samples=_ROWS, max_new_tokens=_ANSWER_TOKENS)


def _on_one_device(condition: Condition, number: int) -> Condition:
    """Conditions that name GPUs train side by side here too, one process each."""
    return dataclasses.replace(condition, devices=(number,)) if condition.devices else condition


def _tokenizer() -> Any:
    """Byte-level BPE of the sample's words, with Qwen3's chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from lm_eval_tasks.benchmarks import BENCHMARKS
    from lm_eval_tasks.sources.benchmark import BenchmarkSource

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rows = (row for name in BENCHMARKS for row in BenchmarkSource(name, "sample").all_train)
    bpe.train_from_iterator((f"{row.question}\n{row.completion}" for row in rows), trainer)
    template = (files("trl") / "chat_templates" / "qwen3.jinja").read_text(encoding="utf-8")
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=template
    )


if __name__ == "__main__":
    build_model(Path(sys.argv[1]))
