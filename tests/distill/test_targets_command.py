"""`icl-distill cache-teacher` and training from what it wrote: the real command, a tiny model."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import ModelConfig

from distill.cli import main
from distill.teachers.cached.batch import CachedTeacher
from distill.teachers.cached.store import TargetStore
from distill.training.config import DataArguments, ICLDistillConfig
from distill.training.config_files import parse_run
from distill.training.launch import check_teacher_targets, model_arguments, prepare, train
from distill.training.trainer import ICLDistillTrainer
from lm_eval_tasks.errors import UserError
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

SETTINGS = {
    "benchmark": "gsm8k", "data": "sample", "num_fewshot": "2", "eval_rows": "3", "max_train_rows": "8",
    "dtype": "float32", "use_peft": "true", "lora_r": "4", "lora_dropout": "0.0",
    "lora_target_modules": "q_proj v_proj", "objective": "topk_kl", "top_k": "24", "max_steps": "4",
    "per_device_train_batch_size": "3", "bf16": "false", "use_cpu": "true", "gradient_checkpointing": "false",
    "learning_rate": "1e-2", "warmup_steps": "0", "logging_steps": "1", "report_to": "none",
    "save_strategy": "no", "seed": "3", "disable_tqdm": "true", "lr_scheduler_type": "constant",
}  # fmt: skip


def options(model, **changes):
    settings = SETTINGS | {"model_name_or_path": str(model)} | changes
    return [word for name, value in settings.items() for word in (f"--{name}", *str(value).split())]


def make_run(model, **changes):
    kinds = (DataArguments, ModelConfig, ICLDistillConfig)
    (data_args, model_args, args), settings = parse_run(kinds, options(model, **changes))
    return prepare(data_args, model_args, args, settings)


def cache(model, folder, *words, **changes):
    return main(["cache-teacher", *words, *options(model, teacher_targets=folder, **changes)])


def trained(model, output_dir, **changes):
    """A trainer that has trained as trl_recipes/distill.py does."""
    run = make_run(model, output_dir=output_dir, **changes)
    check_teacher_targets(run)
    trainer = ICLDistillTrainer(
        args=run.args,
        train_dataset=Dataset.from_list(run.data.train),
        **model_arguments(run),
    )
    train(trainer, run)
    return trainer


def column(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]


@pytest.fixture(scope="module")
def sharp_dir(make_model, make_tokenizer, tmp_path_factory):
    """A tiny model whose logits are as far apart as a real one's."""
    folder = tmp_path_factory.mktemp("sharp")
    model = make_model()
    model.model.norm.weight.data *= 7
    model.save_pretrained(folder)
    make_tokenizer("chatml").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def cached(sharp_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cached") / "targets"
    assert cache(sharp_dir, folder, "--rows_per_shard", "3") == 0
    return folder


@pytest.mark.parametrize("objective", ["topk_kl", "topk_mse"])
@pytest.mark.parametrize("lora", ["true", "false"])
def test_training_from_the_cache_has_the_online_losses(sharp_dir, cached, tmp_path, objective, lora):
    changes = {"objective": objective, "use_peft": lora, "learning_rate": "1e-3", "eval_rows": "3"}
    online = trained(sharp_dir, tmp_path / "online", **changes)
    ours = trained(sharp_dir, tmp_path / "cached", teacher_targets=cached, **changes)
    assert column(online, "divergence")[0] > 0.1
    for name in ("loss", "divergence", "ce", "grad_norm"):
        assert column(ours, name) == pytest.approx(column(online, name), rel=3e-4), name
    assert column(ours, "top1_agreement") == pytest.approx(column(online, "top1_agreement"), abs=1e-6)


def test_no_teacher_runs_and_none_need_exist(sharp_dir, tmp_path):
    teacher, folder = tmp_path / "teacher", tmp_path / "targets"
    shutil.copytree(sharp_dir, teacher)
    changes = {"teacher": "model", "teacher_model_name_or_path": teacher, "use_peft": "false"}
    assert cache(sharp_dir, folder, **changes) == 0
    shutil.rmtree(teacher)
    run = make_run(sharp_dir, output_dir=tmp_path / "run", teacher_targets=folder, **changes)
    check_teacher_targets(run)
    trainer = ICLDistillTrainer(
        args=run.args,
        train_dataset=Dataset.from_list(run.data.train),
        **model_arguments(run),
    )
    passes = []
    trainer.model.model.register_forward_hook(lambda *_: passes.append(1))
    train(trainer, run)
    assert len(passes) == 4  # the student's, one per step
    assert isinstance(trainer.teacher, CachedTeacher)


def test_the_cache_says_what_it_is(cached, sharp_dir, capsys):
    manifest = json.loads((cached / "manifest.json").read_text())
    run = make_run(sharp_dir)
    assert manifest["rows"] == len(run.data.train) == 8
    assert manifest["shards"] == len(list(cached.glob("*.safetensors"))) == 3
    assert manifest["answer_tokens"] == sum(len(row["completion_ids"]) for row in run.data.train)
    assert not list(cached.glob(".*"))
    capsys.readouterr()
    assert cache(sharp_dir, cached, "--rows_per_shard", "3") == 0  # nothing is left to do
    assert "8 rows" in capsys.readouterr().out


def changed_model(sharp_dir, tmp_path, make_model):
    shutil.copytree(sharp_dir, tmp_path / "model")
    make_model(seed=1).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def changed_tokenizer(sharp_dir, tmp_path, make_model):
    shutil.copytree(sharp_dir, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(sharp_dir)
    tokenizer.add_tokens(["<another>"])
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (changed_model, "weights: '"),
        (changed_tokenizer, "tokenizer: '"),
        ({"model_revision": "v2"}, "revision: 'main' there, 'v2' here"),
        ({"enable_thinking": "true"}, "enable_thinking: False there, True here"),
        ({"benchmark": "csqa"}, r"data \(benchmark\): 'gsm8k' there, 'csqa' here"),
        ({"num_fewshot": "1"}, r"demonstrations \(num_fewshot\): 2 there, 1 here"),
        ({"demonstration_seed": "5"}, r"demonstrations \(demonstration_seed\): 42 there, 5 here"),
        (
            {"demonstrations": "shuffled"},
            r"demonstrations \(demonstrations\): 'fixed' there, 'shuffled' here",
        ),
        ({"teacher_max_length": "900"}, r"demonstrations \(teacher_max_length\): 4096 there, 900 here"),
        ({"top_k": "23"}, "top_k: 24 there, 23 here"),
        ({"dtype": "bfloat16"}, "dtype: 'float32 weights' there, 'bfloat16 weights' here"),
        ({"bf16": "true"}, "dtype: 'float32 weights' there, 'float32 weights, bf16 autocast' here"),
    ],
)
def test_each_part_of_the_fingerprint_is_checked(sharp_dir, cached, tmp_path, make_model, change, part):
    model = change(sharp_dir, tmp_path, make_model) if callable(change) else sharp_dir
    changes = {} if callable(change) else change
    run = make_run(model, teacher_targets=cached, **changes)
    with pytest.raises(UserError, match=f"another {part}"):
        check_teacher_targets(run)


def test_another_chat_template_is_noticed_where_the_model_lies_does_not_matter(sharp_dir, cached, tmp_path):
    shutil.copytree(sharp_dir, tmp_path / "copy")
    check_teacher_targets(make_run(tmp_path / "copy", teacher_targets=cached))
    template = AutoTokenizer.from_pretrained(sharp_dir).chat_template
    (tmp_path / "other.jinja").write_text(template.replace("<|im_end|>\n", "<|im_end|>\n\n"))
    run = make_run(sharp_dir, teacher_targets=cached, chat_template_path=tmp_path / "other.jinja")
    with pytest.raises(UserError, match="another chat_template: '"):
        check_teacher_targets(run)


def test_other_rows_than_the_cached_are_refused(sharp_dir, cached):
    fewer = make_run(sharp_dir, teacher_targets=cached, max_train_rows="5")
    check_teacher_targets(fewer)  # a part of them is fine
    more = make_run(sharp_dir, teacher_targets=cached, max_train_rows="9")
    with pytest.raises(UserError, match=r"has no row \d+; .*max_train_rows"):
        check_teacher_targets(more)


def test_a_folder_of_something_else_is_not_written_to(sharp_dir, cached, capsys):
    before = {path.name: path.read_bytes() for path in cached.iterdir()}
    for words, changes, message in (
        (["--rows_per_shard", "3"], {"top_k": "9"}, "another top_k: 24 there, 9 here"),
        (["--rows_per_shard", "4"], {}, "another rows_per_shard: 3 there, 4 here"),
        (["--rows_per_shard", "3"], {"max_train_rows": "7"}, "another rows: 8 there, 7 here"),
        (["--rows_per_shard", "0"], {}, "--rows_per_shard is 0"),
        (["--vllm_args", "x"], {}, "--vllm_args is 'x'"),
        (["--no_such_key", "1"], {}, "no_such_key"),
    ):
        assert cache(sharp_dir, cached, *words, **changes) == 2
        assert message in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in cached.iterdir()} == before
    assert main(["cache-teacher", *options(sharp_dir)]) == 2
    assert "teacher_targets is missing" in capsys.readouterr().err


def test_a_damaged_shard_alone_is_made_anew(sharp_dir, cached, tmp_path):
    folder = tmp_path / "targets"
    shutil.copytree(cached, folder)
    whole = {path.name: path.read_bytes() for path in cached.iterdir()}
    (folder / "targets-00001.safetensors").write_bytes(whole["targets-00001.safetensors"][:500])
    with pytest.raises(UserError, match=r"targets-00001.*missing or damaged"):
        check_teacher_targets(make_run(sharp_dir, teacher_targets=folder))
    untouched = (folder / "targets-00000.safetensors").stat().st_mtime_ns
    assert cache(sharp_dir, folder, "--rows_per_shard", "3") == 0
    assert (folder / "targets-00000.safetensors").stat().st_mtime_ns == untouched
    check_teacher_targets(make_run(sharp_dir, teacher_targets=folder))
    # Rows of another batch composition differ by rounding alone.
    assert {path.name for path in folder.iterdir()} == set(whole)


def test_more_entries_than_the_vocabulary_has_means_all(sharp_dir, tmp_path):
    folder = tmp_path / "targets"
    assert cache(sharp_dir, folder, top_k="5000") == 0
    run = make_run(sharp_dir, teacher_targets=folder, top_k="5000")
    check_teacher_targets(run)
    found = TargetStore(folder).read(run.data.train[0])
    assert found.log_probs.shape[1] == 600
    assert found.tail_mass.max() < 1e-5
    online = trained(sharp_dir, tmp_path / "online", top_k="5000", max_steps="2")
    ours = trained(sharp_dir, tmp_path / "ours", top_k="5000", max_steps="2", teacher_targets=folder)
    assert column(ours, "loss") == pytest.approx(column(online, "loss"), rel=3e-4)


@pytest.mark.slow
def test_two_processes_train_from_the_cache_as_one_does(sharp_dir, cached, tmp_path):
    output = tmp_path / "two"
    changes = {"save_strategy": "steps", "save_steps": "4"}
    words = options(sharp_dir, teacher_targets=cached, output_dir=output, **changes)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    # Two rows in each of two processes are four in one.
    words += ["--per_device_train_batch_size", "2"]
    done = subprocess.run(
        [*command, "trl_recipes/distill.py", *words],
        capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    log = json.loads((output / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
    one = trained(sharp_dir, tmp_path / "one", teacher_targets=cached, per_device_train_batch_size="4")
    for name in ("loss", "divergence"):
        values = [entry[name] for entry in log if name in entry]
        assert values == pytest.approx(column(one, name), rel=1e-4), name


def test_the_logits_of_the_sharp_model_are_far_apart(sharp_dir):
    """Else its losses would say nothing about precision."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(sharp_dir)
    logits = model(input_ids=torch.arange(100, 140)[None]).logits
    assert logits.max() - logits.min() > 35
