import torch

from distill.training.config import DataArguments
from distill.training.data import load_training_data
from tests.distill.sharded_worker import deviations
from tests.distill.two_processes import in_two_processes


def test_fsdp2_gradients_are_those_of_one_process(model_dir, make_tokenizer, tmp_path):
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=2, eval_rows=0, max_train_rows=4)
    rows = load_training_data(args, make_tokenizer("chatml"), max_length=None, seed=0).train
    in_two_processes(deviations, tmp_path, str(model_dir), rows, str(tmp_path))
    for rank in (0, 1):
        lora, full = torch.load(tmp_path / f"{rank}.pt")
        assert lora < 1e-5 and full < 1e-5
