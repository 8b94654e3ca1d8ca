"""However the rows are shared out, loss and gradients are the same; and every template's mask is exact."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from distill.encoding.collator import IGNORED, DistillCollator
from distill.training.config import DataArguments
from distill.training.data import load_training_data
from lm_eval_tasks.errors import UserError
from tests.patience import PATIENCE

WORKER = Path(__file__).with_name("ddp_worker.py")
METRICS = ("loss", "ce", "divergence", "top1_agreement", "grad_norm")
END_OF_TURN = {
    "chatml": "<|im_end|>",
    "qwen3": "<|im_end|>",
    "llama3": "<|eot_id|>",
    "gemma": "<end_of_turn>",
}


@pytest.fixture(scope="module")
def worker():
    spec = importlib.util.spec_from_file_location("ddp_worker", WORKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(data, worker):
    assert len(data.train) == worker.ROWS
    return data.train


@pytest.fixture(scope="module")
def one_batch(worker, model_dir, rows, tmp_path_factory):
    """The step over all rows at once, with and without LoRA."""
    folder = str(tmp_path_factory.mktemp("whole"))
    return {
        lora: worker.one_step(str(model_dir), rows, folder, per_device=8, accumulation=1, lora=lora)
        for lora in (True, False)
    }


def assert_same(found, expected):
    for name in METRICS:
        assert found[0][name] == pytest.approx(expected[0][name], rel=1e-5), name
    assert set(found[1]) == set(expected[1])
    worst = max((found[1][name] - grad).abs().max().item() for name, grad in expected[1].items())
    assert worst < 1e-5


@pytest.mark.parametrize("lora", [True, False])
@pytest.mark.parametrize(("per_device", "accumulation"), [(1, 8), (2, 4), (4, 2)])
def test_accumulation_is_one_batch(
    worker, model_dir, rows, one_batch, tmp_path, per_device, accumulation, lora
):
    found = worker.one_step(
        str(model_dir), rows, str(tmp_path), per_device=per_device, accumulation=accumulation, lora=lora
    )
    assert_same(found, one_batch[lora])


def test_two_processes_are_one(model_dir, rows, one_batch, tmp_path):
    torch.save(rows, tmp_path / "rows.pt")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, str(WORKER), str(model_dir), str(tmp_path / "rows.pt"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for lora in (True, False):
        assert_same(torch.load(tmp_path / f"lora-{lora}.pt"), one_batch[lora])


@pytest.mark.parametrize("template", END_OF_TURN)
def test_labels_begin_with_the_answer_and_end_with_the_turn(template, make_tokenizer):
    tokenizer = make_tokenizer(template)
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=2, eval_rows=0, max_train_rows=5)
    rows = load_training_data(args, tokenizer, max_length=None, seed=0).train
    batch = DistillCollator.of(tokenizer)(rows)
    end_of_turn = tokenizer.convert_tokens_to_ids(END_OF_TURN[template])
    for prefix, prompt in (("", "prompt_ids"), ("teacher_", "teacher_prompt_ids")):
        ids, labels = batch[f"{prefix}input_ids"], batch[f"{prefix}labels"]
        for row, its_ids, its_labels in zip(rows, ids, labels, strict=True):
            trained = (its_labels != IGNORED).nonzero()[:, 0].tolist()
            first, last = len(row[prompt]), len(row[prompt]) + len(row["completion_ids"]) - 1
            assert trained == list(range(first, last + 1))
            # What stands before is all that generation begins from, and nothing of the answer.
            asked = tokenizer.decode(its_ids[:first])
            assert asked.endswith(tokenizer.decode(row["prompt_ids"])[-20:])
            answer = tokenizer.decode(its_labels[first:last])
            assert answer
            assert not asked.endswith(answer)
            assert its_labels[last] == its_ids[last] == end_of_turn
            assert end_of_turn not in its_labels[first:last]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        # A prompt that looks different once the answer follows.
        (("{% if add", "{{ messages | length }}{% if add"), "no longer begins with it"),
        # An answer that is not rendered as it is.
        (("message['content']", "message['content'] | replace('1', '7')"), "alters answers"),
    ],
)
def test_a_broken_template_is_refused_before_training(make_tokenizer, change, complaint):
    tokenizer = make_tokenizer(make_tokenizer("chatml").chat_template.replace(*change))
    args = DataArguments(task="gsm8k", data="sample", num_fewshot=2, eval_rows=0, max_train_rows=2)
    with pytest.raises(UserError, match=complaint):
        load_training_data(args, tokenizer, max_length=None, seed=0)
