"""The trainer under accelerate's FSDP2, two processes, against one process."""

import json

import pytest

from distill.training.config import DataArguments
from distill.training.data import load_training_data
from tests.distill.fsdp_worker import both, sharded
from tests.distill.two_processes import in_two_processes

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


@pytest.fixture(scope="module")
def rows(make_tokenizer):
    return rows_of_two_sets(make_tokenizer("chatml"))


@pytest.fixture(scope="module")
def found(model_dir, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fsdp")
    in_two_processes(sharded, folder, str(model_dir), rows, str(folder), environment=FSDP2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_steps_are_those_of_one_process(found, model_dir, rows, tmp_path):
    alone = both(str(model_dir), rows, str(tmp_path))
    for name in ("lora", "full"):
        wrapped, steps = found[0][name]
        assert wrapped.startswith("FSDP") and len(steps) == 3
        for ours, theirs in zip(steps, alone[name][1], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-5)


def test_a_moving_average_is_refused_where_weights_are_in_shards(found):
    for process in found:
        assert "'ema'" in process["refused"]
        assert "configs/accelerate/ddp.yaml" in process["refused"]
