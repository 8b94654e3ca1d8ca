"""Two processes that write answers of different lengths."""

from pathlib import Path

import torch
import torch.distributed as dist
from accelerate.utils import gather_object
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch.distributed.fsdp import fully_shard
from transformers import AutoTokenizer, LlamaForCausalLM

from distill.encoding.collator import DistillCollator, predicting
from distill.model.output_head import OutputHead, hidden_states
from distill.model.sampling import sample, sampling_config, seeded
from distill.training.config import ICLDistillConfig
from distill.training.trainer import ICLDistillTrainer

LORA = LoraConfig(r=4, lora_dropout=0.0, target_modules=["q_proj", "down_proj"], init_lora_weights=False)


def student(folder, lora):
    model = LlamaForCausalLM.from_pretrained(folder)
    torch.manual_seed(0)
    return (get_peft_model(model, LORA) if lora else model).eval()


def write_sharded(folder, rows, lora):
    """FSDP2: generation before the first training step, and a training step after it."""
    rank = dist.get_rank()
    config = sampling_config(max_new_tokens=6 + 9 * rank, temperature=1.0, stop_ids=[2], pad_token_id=0)
    prompts = [row["prompt_ids"] for row in rows[rank::2]]
    plain, sharded = student(folder, lora), student(folder, lora)
    for layer in (sharded.get_base_model() if lora else sharded).model.layers:
        fully_shard(layer, reshard_after_forward=True)
    fully_shard(sharded, reshard_after_forward=True)
    answers = []
    for model in (plain, sharded, sharded):
        with seeded(rank, torch.device("cpu")):
            answers.append(sample(model, prompts, config))
    assert answers[0] == answers[1] == answers[2]
    assert max(map(len, answers[0])) == 6 + 9 * rank  # one process has to wait for the other
    batch = DistillCollator(0)(rows[rank::2])
    hidden_states(
        sharded, OutputHead.of(sharded), predicting(batch["labels"]), input_ids=batch["input_ids"]
    ).sum().backward()


def train(folder, rows, output_dir):
    """DDP: one run in both processes, whose weights and decisions stay the same."""
    args = ICLDistillConfig(
        output_dir=output_dir, use_cpu=True, bf16=False, gradient_checkpointing=False, max_steps=4,
        per_device_train_batch_size=2, logging_steps=1, save_strategy="no", report_to="none",
        disable_tqdm=True, lmbda=0.5, seq_kd=True, max_new_tokens=5, objective="jsd", seed=1,
    )  # fmt: skip
    trainer = ICLDistillTrainer(
        LlamaForCausalLM.from_pretrained(folder),
        args,
        processing_class=AutoTokenizer.from_pretrained(folder),
        train_dataset=Dataset.from_list(rows),
        peft_config=LORA,
    )
    trainer.train()
    authors = [trainer.on_policy.author(step, 0) for step in range(4)]
    assert set(authors) == {"student", "teacher"}
    weights = [p.detach() for p in trainer.model.parameters() if p.requires_grad]
    digest = torch.cat([value.flatten() for value in weights]).double()
    both = [torch.empty_like(digest) for _ in range(2)]
    dist.all_gather(both, digest)
    assert torch.equal(*both)
    assert gather_object([authors])[0] == authors
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert [entry["generated_length"] for entry in logged] == [5.0] * 4
    assert [entry["generated_tokens"] for entry in logged] == [20.0] * 4


def as_one(folder, rows, output_dir):
    """Whatever each writes, both behave as one process."""
    for lora in (True, False):
        write_sharded(folder, rows, lora)
    train(folder, rows, output_dir)
    (Path(output_dir) / f"{dist.get_rank()}.done").touch()
