"""Every configuration in the repository parses, and says how to launch it."""

import re
from pathlib import Path

import pytest
import yaml
from trl import ModelConfig, SFTConfig

from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.config_files import parse_run

CONFIGS = Path(__file__).parents[2] / "configs"
BENCHMARKS = ("gsm8k", "csqa", "math", "ifeval")
ON_CPU = ["--use_cpu", "true", "--bf16", "false", "--output_dir", "unused"]


@pytest.mark.parametrize("name", [*(f"{b}_qwen1b7" for b in BENCHMARKS), "demo_gsm8k", "demo_ifeval"])
def test_base_files_serve_sft(name):
    kinds = (DataArguments, ModelConfig, SFTConfig)
    (data, model, args), _ = parse_run(kinds, ["--config", str(CONFIGS / f"{name}.yaml"), *ON_CPU])
    assert data.task == name.removesuffix("_qwen1b7").removeprefix("demo_")
    assert model.use_peft
    assert (model.lora_r, model.lora_alpha, model.lora_dropout) == (16, 32, 0.05)
    assert len(model.lora_target_modules) == 7
    if not name.startswith("demo"):
        rows = 2 * args.per_device_train_batch_size * args.gradient_accumulation_steps
        assert (rows, args.max_steps, args.learning_rate, args.warmup_steps) == (32, 1000, 2e-4, 50)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_overlays_are_the_published_recipe(name):
    files = [
        "--base_config",
        f"{CONFIGS}/{name}_qwen1b7.yaml",
        "--config",
        f"{CONFIGS}/{name}_online_v1.yaml",
    ]
    (data, _, args), _ = parse_run((DataArguments, ModelConfig, ICLDistillConfig), [*files, *ON_CPU])
    assert (args.objective, args.ce_weight, args.distill_weight, args.top_k) == ("topk_mse", 1.0, 0.5, 256)
    budgets = {
        "gsm8k": (8, 4096, 512),
        "csqa": (5, 1024, 256),
        "math": (4, 6144, 1024),
        "ifeval": (4, 2048, 512),
    }
    assert (data.num_fewshot, data.teacher_max_length, args.max_length) == budgets[name]


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.name)
def test_a_header_gives_the_command_and_its_files_exist(path):
    comment = "\n".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert re.search(r"(accelerate launch|icl-distill)", comment)
    for name in re.findall(r"(?:configs|trl_recipes)/[\w/]+\.(?:yaml|py)", comment):
        assert (CONFIGS.parent / name).is_file(), name


@pytest.mark.parametrize("name", ["cpu", "ddp", "fsdp2", "zero3"])
def test_accelerate_reads_its_files(name):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(CONFIGS / "accelerate" / f"{name}.yaml"))
    assert config.num_processes == (1 if name == "cpu" else 8)
    assert yaml.safe_load((CONFIGS / "accelerate" / f"{name}.yaml").read_text())["num_machines"] == 1
