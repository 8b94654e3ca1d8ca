import os
import subprocess
import sys
from pathlib import Path

import torch

from distill.training.config import DataArguments
from distill.training.data import load_training_data
from tests.patience import PATIENCE

WORKER = Path(__file__).with_name("sharded_worker.py")


def test_fsdp2_gradients_are_those_of_one_process(model_dir, make_tokenizer, tmp_path):
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=2, eval_rows=0, max_train_rows=4)
    rows = load_training_data(args, make_tokenizer("chatml"), max_length=None, seed=0).train
    torch.save(rows, tmp_path / "rows.pt")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, str(WORKER), str(model_dir), str(tmp_path / "rows.pt")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for lora in (True, False):
        assert f"rank 0 lora {lora}" in done.stdout
