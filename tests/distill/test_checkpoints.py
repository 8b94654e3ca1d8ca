import json

import pytest
import torch
from safetensors.torch import save_file

from distill.training.checkpoints import incomplete, last_complete, resume_path
from lm_eval_tasks.errors import UserError


def make(folder, step):
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    save_file({"w": torch.zeros(100)}, path / "adapter_model.safetensors")
    torch.save({"state": torch.zeros(100)}, path / "optimizer.pt")
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def test_the_last_complete_one_is_found(tmp_path):
    make(tmp_path, 5)
    ten = make(tmp_path, 10)
    assert incomplete(ten) is None
    assert last_complete(tmp_path) == ten
    assert resume_path("auto", tmp_path) == str(ten)
    assert resume_path(None, tmp_path) is None
    assert resume_path("auto", tmp_path / "new") is None


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_a_half_written_one_is_passed_over(tmp_path, name):
    five, ten = make(tmp_path, 5), make(tmp_path, 10)
    cut(ten / name) if name != "trainer_state.json" else (ten / name).write_text('{"global_')
    assert last_complete(tmp_path) == five
    with pytest.raises(UserError, match=f"{name}|cut short"):
        resume_path(str(ten), tmp_path)


def test_one_without_state_or_weights_is_incomplete(tmp_path):
    five, ten = make(tmp_path, 5), make(tmp_path, 10)
    (ten / "trainer_state.json").unlink()
    (five / "adapter_model.safetensors").unlink()
    assert last_complete(tmp_path) is None
