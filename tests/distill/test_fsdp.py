"""The trainer under accelerate's FSDP2, two processes, against one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distill.training.config import DataArguments
from distill.training.data import load_training_data
from tests.patience import PATIENCE

WORKER = Path(__file__).with_name("fsdp_worker.py")
FSDP2 = {
    "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
}  # fmt: skip
"""What `accelerate launch` makes of configs/accelerate/fsdp2.yaml."""


def rows_of_two_sets(tokenizer):
    """Rows A A A B A A ...: one process's teacher has two prefixes to run, the other's one."""
    sets = []
    for seed in (0, 1):
        args = DataArguments(
            task="gsm8k", data="sample", num_fewshot=2, demonstration_seed=seed, eval_rows=0,
            max_train_rows=12,
        )  # fmt: skip
        sets.append(load_training_data(args, tokenizer, max_length=None, seed=0).train)
    return [sets[index == 3][index] for index in range(12)]


def run(command, environment):
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"} | environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def found(model_dir, make_tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fsdp")
    rows = folder / "rows.json"
    rows.write_text(json.dumps(rows_of_two_sets(make_tokenizer("chatml"))), encoding="utf-8")
    arguments = [str(WORKER), str(model_dir), str(rows), str(folder)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    run([sys.executable, *arguments], {})
    run([*torchrun, *arguments], FSDP2)
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("?-?.json")}


@pytest.mark.parametrize("trained", ["lora", "full"])
def test_steps_are_those_of_one_process(found, trained):
    _, alone = found["1-0"][trained]
    wrapped, sharded = found["2-0"][trained]
    assert wrapped.startswith("FSDP") and len(sharded) == 3
    for ours, theirs in zip(sharded, alone, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


def test_a_moving_average_is_refused_where_weights_are_in_shards(found):
    assert "refused" not in found["1-0"]
    for process in ("2-0", "2-1"):
        assert "'ema'" in found[process]["refused"]
        assert "configs/accelerate/ddp.yaml" in found[process]["refused"]
