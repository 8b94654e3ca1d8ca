"""lm-evaluation-harness on tiny models: its own rendering and evaluation paths, nothing replaced."""

import json

import pytest
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from lm_eval_tasks import TASK_DIR

GSM8K_TEST = [{"question": "Ann has 2 pens and buys 3. How many?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"}]
GSM8K_TRAIN = [
    {"question": "One and one?", "answer": "1 + 1 = 2\n#### 2"},
    {"question": "Two and two?", "answer": "2 + 2 = 4\n#### 4"},
    {"question": "Four and four?", "answer": "4 + 4 = 8\n#### 8"},
]


@pytest.fixture(scope="session")
def gsm8k_folder(tmp_path_factory):
    """A data folder with one question and three rows to learn from."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "gsm8k").mkdir()
    for name, rows in (("test", GSM8K_TEST), ("train", GSM8K_TRAIN)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "gsm8k" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def make_lm(make_model, make_tokenizer):
    """`make_lm(template, **arguments)`: the harness's transformers model around a tiny random one."""

    def make(template="chatml", **arguments):
        tokenizer = make_tokenizer(template)
        return HFLM(
            pretrained=make_model("llama"), tokenizer=tokenizer, device="cpu", batch_size=4, **arguments
        )

    return make


@pytest.fixture(scope="session")
def evaluate():
    """`evaluate(lm, task, ...)`: what `lm_eval run` does with it."""

    def run(lm, *tasks, metadata=None, max_gen_toks=4, limit=2, chat=True, **more):
        return simple_evaluate(
            lm,
            tasks=list(tasks),
            task_manager=TaskManager(
                include_path=str(TASK_DIR),
                include_defaults=False,
                metadata={"data": "sample"} | (metadata or {}),
            ),
            gen_kwargs={"max_gen_toks": max_gen_toks},
            apply_chat_template=chat,
            limit=limit,
            **more,
        )

    return run


@pytest.fixture(scope="session")
def prompts(evaluate):
    """`prompts(lm, task, ...)`: the prompts that a run sent to the model."""

    def run(lm, task, **more):
        samples = evaluate(lm, task, **more)["samples"][task]
        return [sample["arguments"][0][0] for sample in samples]

    return run
