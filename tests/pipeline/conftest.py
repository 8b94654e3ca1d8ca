"""A tiny model that a prompt changes, and stages that run in this process."""

import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from distill.cli import main
from distill.pipeline.tiny import build_model

WORDS = [
    "color",
    "thing",
    "item",
    "say",
    "toy",
    "what",
    "is",
    "the",
    "of",
    "number",
    "seven",
    "please",
    "tell",
    "give",
    "name",
    "house",
    "tree",
    "answer",
]
STEPS = 240


def sentence(rng):
    return " ".join(rng.choices(WORDS, k=rng.randint(2, 5))) + "?"


def _episode(rng):
    """Messages and answer: `red` behind an instruction or demonstrations, else `blue`."""
    prompted = rng.choice(["bare", "bare", "system", "shown"])
    turns = [{"role": "user", "content": sentence(rng)}]
    if prompted == "system":
        words = [
            f"{sentence(rng)} " * rng.randint(0, 1),
            "Always red.",
            f" {sentence(rng)}" * rng.randint(0, 1),
        ]
        turns.insert(0, {"role": "system", "content": "".join(words)})
    elif prompted == "shown":
        for _ in range(rng.randint(1, 2)):
            shown = [{"role": "user", "content": sentence(rng)}, {"role": "assistant", "content": "red"}]
            turns = shown + turns
    return turns, "blue" if prompted == "bare" else "red"


def _teach(folder: Path) -> None:
    """Train the random model until it does as `_episode` says: some seconds."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    for weights in model.parameters():
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=0.05)
    rng = random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        ids, labels = [], []
        for turns, answer in (_episode(rng) for _ in range(8)):
            text = tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=False, enable_thinking=False
            )
            prompt, reply = tokenizer(text)["input_ids"], tokenizer(f"{answer}<|im_end|>")["input_ids"]
            ids.append(torch.tensor(prompt + reply))
            labels.append(torch.tensor([-100] * len(prompt) + reply))
        pad = torch.nn.utils.rnn.pad_sequence
        padded = pad(ids, batch_first=True, padding_value=tokenizer.pad_token_id)
        loss = model(input_ids=padded, labels=pad(labels, batch_first=True, padding_value=-100)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < 0.015:
            break
    model.save_pretrained(folder)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def teachable(tmp_path_factory):
    """A folder: a tiny model that says `blue` bare, and `red` behind an instruction or demonstrations."""
    folder = tmp_path_factory.mktemp("models") / "teachable"
    torch.set_num_threads(1)
    build_model(folder)
    _teach(folder)
    return folder


def _run_here(command):
    _, _, module, *words = command
    if module == "distill.cli":
        return main(words)
    assert module == "accelerate.commands.launch" and words[-3:-1] == ["-m", "distill.training.recipes"]
    from distill.training.launch import run_or_exit
    from distill.training.recipes import train_several

    try:
        run_or_exit(lambda: train_several(words[-1]))
    except SystemExit as end:
        return end.code or 0
    return 0


class Stages:
    """What was started, by the stages' programs; `interrupt`: a word at whose program a Ctrl-C comes."""

    def __init__(self):
        self.started = []
        self.interrupt = None

    def start(self, command, output_dir, *, env, log=None):
        word = command[3] if command[2] == "distill.cli" else "train"
        if word == self.interrupt:
            raise KeyboardInterrupt
        self.started.append(word)
        code = _run_here([str(word) for word in command])
        return SimpleNamespace(poll=lambda: code, returncode=code)


@pytest.fixture(scope="module")
def stages():
    """The stages of runs run in this process, which has loaded the libraries; other files start theirs."""
    found = Stages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distill.pipeline.wave.start", found.start)
        patch.setattr(sys, "argv", ["icl-distill"])
        yield found
